"""Whether an update is worth it: a quick challenger against the champion on rows neither has seen.

An alarm says that the world moved, not that a new model would do better in it. So before a cycle
is paid for, a model is fitted on everything known before the newest labelled window and asked
about that window, beside the answers that the champion gave when the rows came.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sized
from typing import Any, TypeVar

import msgspec
import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.monitor.dependence import BlockEstimate, block_estimate
from everloop.monitor.performance import Score

Ask = Callable[[pl.DataFrame], Answers]
"""What a fitted model answers for a frame of features."""

History = TypeVar("History", bound=Sized)

CONFIDENCE = 0.90  # of the interval of the gain; its lower end must be above nothing
MIN_ROWS = 200


class Worth(msgspec.Struct, frozen=True):
    """What a probe found. Scores are "greater is better"; ``low`` and ``high`` bound the gain.

    ``enough`` is False when these rows cannot tell; then ``worth`` is False too.
    """

    metric: str
    champion: float
    challenger: float
    gain: float
    low: float
    high: float
    needed: float
    rows: int
    trained_rows: int
    seconds: float
    worth: bool
    enough: bool = True
    note: str = ""

    @property
    def error(self) -> float:
        """Standard error of the gain, about; 0 where these rows cannot tell."""
        return (self.high - self.low) / (2 * 1.65)

    def summary(self, needed: float | None = None) -> str:
        """One clause with the numbers, and with what is ``needed`` where that is given."""
        if not self.enough:
            return self.note
        return (
            f"a quick challenger scores {self.metric} {abs(self.challenger):.4g} where the "
            f"champion had {abs(self.champion):.4g} on {self.rows} rows new to both: a gain of "
            f"{self.gain:+.4f} ({self.low:+.4f} to {self.high:+.4f})"
            + ("" if needed is None else f", {needed:.4f} needed")
        )


def worth_it(
    history: History,
    recent: pl.DataFrame,
    y: NDArray[Any],
    champion: Answers,
    fit: Callable[[History], Ask],
    score: Score,
    metric: str,
    min_gain: float,
) -> Worth:
    """Probe the gain of an update.

    Parameters
    ----------
    history : labelled rows to fit the challenger on, as ``fit`` takes them, none of them in
        ``recent``.
    recent : n rows in time order that the champion was not trained on; ``y`` their labels and
        ``champion`` the answers it gave.
    fit, score : how a challenger is made and how answers are judged.
    min_gain : share of the champion's score that an update must bring.

    The interval comes from blocks of consecutive rows, since errors of one day are alike.
    """
    started = time.perf_counter()

    def result(champion: float, challenger: float, gain: BlockEstimate, note: str) -> Worth:
        enough = not note and math.isfinite(gain.value) and math.isfinite(gain.error)
        errors = scipy.special.stdtrit(max(gain.freedom, 1), 0.5 + CONFIDENCE / 2)
        reach = float(errors) * gain.error
        low, high = (gain.value - reach, gain.value + reach) if enough else (0.0, 0.0)
        needed = min_gain * abs(champion)
        return Worth(
            metric=metric,
            champion=champion,
            challenger=challenger,
            gain=gain.value if enough else 0.0,
            low=low,
            high=high,
            needed=needed,
            rows=len(y),
            trained_rows=len(history),
            seconds=round(time.perf_counter() - started, 3),
            worth=enough and gain.value >= needed and low > 0,
            enough=enough,
            note=note or ("" if enough else "the metric cannot judge these rows"),
        )

    nothing = BlockEstimate(math.nan, math.nan, 0)
    if len(y) < MIN_ROWS or not len(history):
        note = f"only {len(y)} labelled rows are new to the champion, {MIN_ROWS} needed"
        if not len(history):
            note = "no labelled rows to learn from"
        return result(0.0, 0.0, nothing, note)

    def judge(answers: Answers, rows: NDArray[np.intp]) -> float:
        proba = None if answers.proba is None else answers.proba[rows]
        return score(y[rows], answers.pred[rows], proba)

    every = np.arange(len(y))
    try:
        challenger = fit(history)(recent)
        gain = block_estimate(lambda rows: judge(challenger, rows) - judge(champion, rows), len(y))
        return result(judge(champion, every), judge(challenger, every), gain, "")
    except (EverloopError, ValueError, ArithmeticError) as error:
        return result(0.0, 0.0, nothing, f"no challenger could be compared: {error}")
