"""``method = "auto"``: the cheapest method whose gain is within the noise of the best.

What can be learned without a fit, or with a part of one, is tried beside a new fit, on the same
newest rows, which none of them has seen; each learns from what was known before those rows alone.
The policy, in order of cost:

1. ``switch`` — a stored version that suits the present better; it costs nothing but asking.
2. ``threshold`` — the same probabilities, another cut.
3. ``calibrate`` — the same order of rows, other probabilities.
4. ``pool`` — a champion that is one learns from the new rows.
5. ``incremental`` — the champion learns on, where its family can; not where it would forget more
   than ``update.forget`` of what it was tested on.
6. ``retrain`` — on all rows, and on those since the last change of the champion's loss where one
   is found.

The best is the one with the greatest gain. A cheaper one is taken instead when its own gain is
surely above zero, it brings at least half of the best one's, and the difference between the two
has an interval that reaches down to zero. So rows that cannot tell two methods apart decide for
the one that is cheaper and changes less. Whether that gain is worth a cycle at all is weighed
afterwards, by :mod:`everloop.update.decide`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl
import scipy
from numpy.typing import NDArray

from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.monitor.dependence import block_estimate
from everloop.monitor.performance import Score
from everloop.update.methods import Choice
from everloop.update.probe import Grounds, History
from everloop.update.tried import MOST, Tried
from everloop.update.worth import CONFIDENCE, Ask, Worth


@dataclass(frozen=True)
class Contender:
    """A method that may be tried, in order of its cost; ``fit`` None with a reason when not."""

    choice: Choice
    fit: Callable[[History], Ask] | None
    note: str = ""


@dataclass(frozen=True)
class Chosen:
    """The method, what it brings, and the table of all."""

    choice: Choice
    worth: Worth
    tried: tuple[Tried, ...]


@dataclass(frozen=True)
class _Run:
    contender: Contender
    worth: Worth
    answers: Answers | None


def choose(
    grounds: Grounds,
    contenders: Sequence[Contender],
    score: Score,
    metric: str,
    min_gain: float,
) -> Chosen:
    """Try the ``contenders`` (cheapest first, a new fit among them) and choose.

    ``score``, ``metric`` and ``min_gain`` are as for :func:`everloop.update.worth.worth_it`.
    """
    runs = [_run(grounds, c, score, metric, min_gain) for c in contenders if c.fit is not None]
    if not runs:
        return _nothing(contenders, metric)
    told = [run for run in runs if run.worth.enough]
    best = max(told, key=lambda run: run.worth.gain, default=runs[-1])
    behind = {id(run): _behind(grounds, run, best, score) for run in told if run is not best}
    taken = next((run for run in told if _as_good(run, best, behind.get(id(run)))), best)
    choice = msgspec.structs.replace(taken.contender.choice, why=_why(taken, best, len(told)))
    lines = [_line(run, behind.get(id(run)), run is taken) for run in runs]
    lines += [_left_out(c) for c in contenders if c.fit is None]
    return Chosen(choice, taken.worth, tuple(lines))


def _nothing(contenders: Sequence[Contender], metric: str) -> Chosen:
    """No method could be tried: there is nothing to say for an update."""
    note = "; ".join(f"{said(one.choice)}: {one.note}" for one in contenders)
    worth = Worth(metric, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, False, False, note)
    return Chosen(contenders[0].choice, worth, tuple(map(_left_out, contenders)))


def _run(
    grounds: Grounds, contender: Contender, score: Score, metric: str, min_gain: float
) -> _Run:
    kept: list[Answers] = []
    fit = contender.fit
    assert fit is not None, "only what can be tried is"

    def remembered(history: History) -> Ask:
        ask = fit(history)

        def answer(frame: pl.DataFrame) -> Answers:
            kept.append(ask(frame))
            return kept[-1]

        return answer

    worth = grounds.worth(remembered, score, metric, min_gain)
    return _Run(contender, worth, kept[-1] if kept and worth.enough else None)


def _behind(grounds: Grounds, run: _Run, best: _Run, score: Score) -> float:
    """The lower end of what ``best`` brings more than ``run``; -inf where it cannot be told."""
    ours, theirs, judge = run.answers, best.answers, grounds.judge
    assert ours is not None and theirs is not None and judge is not None, "both were compared"

    def scored(answers: Answers, rows: NDArray[Any]) -> float:
        part = answers.on(rows)
        return score(judge.y[rows], part.pred, part.proba)

    try:
        found = block_estimate(lambda rows: scored(theirs, rows) - scored(ours, rows), len(judge.y))
    except (EverloopError, ValueError, ArithmeticError):
        return -math.inf
    if not math.isfinite(found.error):
        return -math.inf
    reach = float(scipy.special.stdtrit(max(found.freedom, 1), 0.5 + CONFIDENCE / 2)) * found.error
    return float(found.value - reach)


def _as_good(run: _Run, best: _Run, behind: float | None) -> bool:
    if run is best:
        return True
    gain, most = run.worth, best.worth
    return gain.worth and gain.gain >= MOST * most.gain and behind is not None and behind <= 0


def _why(taken: _Run, best: _Run, count: int) -> str:
    name, gain = said(taken.contender.choice), taken.worth.gain
    if not taken.worth.enough:
        return f"{name}: nothing could be compared ({taken.worth.note})."
    if taken is not best:
        return (
            f"{name} brings {gain:+.4f} on {taken.worth.rows:,} new rows, within the noise of the "
            f"{best.worth.gain:+.4f} of {said(best.contender.choice)}, and costs less."
        )
    rows = f"{taken.worth.rows:,}"
    if count == 1:
        return f"{name} brings {gain:+.4f} on {taken.worth.rows:,} new rows."
    return f"{name} brings the most of {count} methods: {gain:+.4f} on {rows} new rows."


def said(choice: Choice) -> str:
    """A choice in a few words."""
    if choice.version is not None:
        return f"{choice.name} to version {choice.version}"
    return choice.name if choice.window == "all" else f'{choice.name} on window "{choice.window}"'


def _line(run: _Run, behind: float | None, chosen: bool) -> Tried:
    choice, worth = run.contender.choice, run.worth
    known = worth.enough
    return Tried(
        method=choice.name,
        window=choice.window,
        version=choice.version,
        score=worth.challenger if known else None,
        gain=worth.gain if known else None,
        low=worth.low if known else None,
        high=worth.high if known else None,
        seconds=worth.seconds,
        behind=behind if behind is None or math.isfinite(behind) else None,
        chosen=chosen,
        note=worth.note or run.contender.note,
    )


def _left_out(contender: Contender) -> Tried:
    choice = contender.choice
    return Tried(
        choice.name, choice.window, choice.version, None, None, None, None, 0.0,
        note=contender.note,
    )  # fmt: skip
