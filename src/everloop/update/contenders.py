"""The methods that a probe tries, as quick challengers: what each would have answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from everloop.data.schema import Schema
from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.extensions import update_methods
from everloop.monitor.performance import Score
from everloop.train.calibration import Calibrated, mapped
from everloop.train.pool import STATE as POOL_STATE
from everloop.update.auto import Contender
from everloop.update.losses import row_losses
from everloop.update.methods import About, Choice
from everloop.update.methods.calibrate import calibrated
from everloop.update.methods.switch import best_of, compared
from everloop.update.methods.threshold import picked
from everloop.update.probe import Grounds, History
from everloop.update.windows import LEAST_ROWS, Window, change_start, parse_window
from everloop.update.worth import Ask

QuickFit = Callable[[Window, int | None], Callable[[History], Ask]]
"""A new fit on a window, with the event time of the last change."""

CHEAP = ("switch", "rollback", "threshold", "calibrate")


@dataclass(frozen=True)
class Probed:
    """What the contenders are made of.

    Attributes
    ----------
    schema, about : of the champion; ``about.choice`` is what the policy says.
    score, costs, threshold, calibrate, seed : as in ``[evaluate]`` and ``[train]``.
    stored : other versions: number, whether it served, and what it answers.
    learned_on : the champion after it has learned from a history by a method of that name; None
        where nobody can tell.
    """

    grounds: Grounds
    schema: Schema
    about: About
    score: Score
    quick: QuickFit
    stored: Iterable[tuple[int, bool, Ask]]
    costs: np.ndarray | None = None
    threshold: float | str = 0.5
    calibrate: str = "none"
    seed: int = 0
    learned_on: Callable[[str], Callable[[History], Ask]] | None = None


def contenders(probed: Probed, method: str) -> list[Contender]:
    """Those of ``method``, cheapest first; of ``auto`` all, and the windows of a new fit.

    A method that has no quick form (a pool that is to begin, say), or that is not sound here,
    stands for itself by a new fit, which is the nearest there is.
    """
    names = ("switch", "threshold", "calibrate") if method == "auto" else (method,)
    found = [_cheap(probed, name) for name in names if name in CHEAP]
    if probed.learned_on is not None:
        learning = _from_state(probed.about, method)
        found += [_learning(probed, name, probed.learned_on(name)) for name in learning]
        if learning == (method,) and found[0].fit is not None:
            return found
    if method == "auto" or method not in CHEAP:
        found += _fits(probed, method)
    return found


def _cheap(probed: Probed, name: str) -> Contender:
    base = probed.about.choice.base
    choice = Choice(name, base=base)
    if why := update_methods.get(name)().sound(probed.about):
        return Contender(choice, None, why)
    if name in ("switch", "rollback"):
        return _stored(probed, choice)
    learn = _present(probed.grounds)
    if learn is None:
        why = f"fewer than {LEAST_ROWS} labelled rows are new to the champion, and judge nothing"
        return Contender(choice, None, why)
    try:
        judge = probed.grounds.judge
        assert judge is not None and judge.proba is not None, "checked with the rows to learn from"
        made = _answers(probed, name, *learn, judge.proba)
    except EverloopError as error:
        return Contender(choice, None, error.message)
    return Contender(choice, lambda _history: lambda _frame: made)


def _learning(probed: Probed, name: str, learned_on: Callable[[History], Ask]) -> Contender:
    choice = Choice(name, base=probed.about.choice.base)
    why = update_methods.get(name)().sound(probed.about)
    if why is None and probed.schema.time is None:
        why = "no data.time says which of the rows are new to the champion"
    return Contender(choice, None if why else learned_on, why or "")


def _from_state(about: About, method: str) -> tuple[str, ...]:
    """Methods that go on from what the champion keeps: a pool does where it is one."""
    pool = about.files is not None and POOL_STATE in about.files
    known = ("pool", "incremental") if pool else ("incremental",)
    return known if method == "auto" else tuple(name for name in known if name == method)


def _present(grounds: Grounds) -> tuple[np.ndarray, np.ndarray] | None:
    """Labels and probabilities of the rows to learn from, since the last change of their loss."""
    learn, judge, times = grounds.learn, grounds.judge, grounds.learn_times
    if learn is None or judge is None or times is None:
        return None
    if learn.proba is None or judge.proba is None or len(learn.y) < LEAST_ROWS:
        return None
    losses = row_losses(learn.y, Answers(learn.pred, learn.proba), numeric=False)
    since = change_start(losses, times)
    some = np.ones(len(times), dtype=np.bool_) if since is None else times >= since
    return learn.y[some], learn.proba[some]


def _answers(
    probed: Probed, name: str, y: np.ndarray, proba: np.ndarray, asked: np.ndarray
) -> Answers:
    """What the champion would have answered with another calibration, or another threshold."""
    task, cut = probed.schema.task, probed.threshold
    if name == "threshold":
        found = picked(proba, y, task, probed.score, probed.costs, cut)
        return Answers(_decided(asked, found), asked)
    how = "auto" if probed.calibrate == "none" else probed.calibrate
    made: Calibrated = calibrated(None, proba, y, how, probed.seed)[1]
    after = mapped(made.maps, asked)
    if task == "binary" and cut != 0.5:
        known = mapped(made.maps, proba)
        number = picked(known, y, task, probed.score, probed.costs, cut)
        return Answers(_decided(after, number if isinstance(cut, str) else cut), after)
    return Answers(after.argmax(axis=1), after)


def _decided(proba: np.ndarray, cut: Any) -> np.ndarray:
    if isinstance(cut, float):
        return np.asarray(proba[:, 1] >= cut, dtype=np.int64)
    return np.asarray(proba >= np.asarray(cut), dtype=np.int64)


def _stored(probed: Probed, choice: Choice) -> Contender:
    """The stored version that does best on the rows that judge; since the best of several is
    taken, its interval is wider by their number (Bonferroni)."""
    judge, asked = probed.grounds.judge, []
    if judge is None:
        return Contender(choice, None, "no labelled rows are new to the champion")
    champion = Answers(judge.pred, judge.proba)
    for number, served, ask in probed.stored:
        if choice.name == "rollback" and not served:
            continue
        try:
            answers = ask(judge.frame)
        except EverloopError:
            continue
        asked.append((number, answers))
    if not asked:
        return Contender(choice, None, "no other stored version could serve")
    sure = len(asked)
    found = [
        (compared(judge.y, champion, answers, probed.score, sure, number), answers)
        for number, answers in asked
    ]
    best = best_of([one for one, _ in found])
    if best is None:
        return Contender(choice, None, f"none of {sure} stored versions is surely better")
    made = next(answers for one, answers in found if one is best)
    chosen = Choice(choice.name, base=choice.base, version=best.version)
    return Contender(chosen, lambda _history: lambda _frame: made)


def _fits(probed: Probed, method: str) -> list[Contender]:
    """A new fit on the policy's window; where that is ``all`` and something changed, since then."""
    asked = probed.about.choice
    name = "retrain" if method == "auto" else method
    learn, times, since = probed.grounds.learn, probed.grounds.learn_times, None
    if learn is not None and times is not None:
        answers = Answers(learn.pred, learn.proba)
        since = change_start(row_losses(learn.y, answers, probed.schema.numeric), times)
    windows = [asked.window]
    if method == "auto" and asked.window == "all" and since is not None:
        windows = ["change", "all"]
    return [
        Contender(
            Choice(name, text, asked.search, asked.base), probed.quick(parse_window(text), since)
        )
        for text in windows
    ]
