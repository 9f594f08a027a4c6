"""How well the answers of a window were, once its labels have come, against the test's score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import scipy
from numpy.typing import NDArray

from everloop.errors import EverloopError
from everloop.monitor.control import Spending
from everloop.monitor.dependence import block_estimate
from everloop.monitor.episodes import Episode

Score = Callable[[NDArray[Any], NDArray[Any], NDArray[np.float64] | None], float]
"""``score(y, pred, proba)``, greater is better; class codes, or numbers for a regression."""

Scores = Callable[[str], Score]
"""The score by the name of a metric."""

TOLERANCE = 0.02  # share of the baseline's score that a real stream loses and regains


class Baseline(msgspec.Struct, frozen=True):
    """The champion's score on held-out rows when it was tested, with its 95 % interval."""

    metric: str
    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Standard error."""
        width = (self.high - self.low) / (2 * 1.96)
        return width if math.isfinite(width) else 0.0


class PerformanceChain(msgspec.Struct, frozen=True):
    """What a window with a score hands on to the next one."""

    spending: Spending = Spending()
    episodes: dict[str, Episode] = {}


class Performance(msgspec.Struct, frozen=True):
    """A window's score, what was expected, and whether it is worse by more than tolerated."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    tested: float  # the score when the model was tested
    p_value: float
    worse: bool
    note: str = ""

    @property
    def loss(self) -> float:
        """Loss against the test as a share of its score."""
        size = abs(self.tested) or 1.0
        return 0.0 if self.value is None else (self.tested - self.value) / size

    def summary(self) -> str:
        """``roc_auc is 0.621 (0.601 to 0.641), 0.669 when it was tested``."""
        value, low, high = self.value or 0.0, self.low or 0.0, self.high or 0.0
        return (
            f"{self.metric} is {abs(value):.4g} ({_span(low, high)}), "
            f"{abs(self.tested):.4g} when it was tested"
        )


def measure(
    y: NDArray[Any],
    pred: NDArray[Any],
    proba: NDArray[np.float64] | None,
    baseline: Baseline,
    score: Score,
    level: float,
    tolerance: float = TOLERANCE,
) -> Performance:
    """Score rows in time order and test whether they are worse than the baseline.

    The error comes from blocks of consecutive rows, so one stormy day does not make a certainty;
    the null is a loss of at most ``tolerance`` times the baseline. Rows that the metric cannot
    judge (one class only) are "not enough evidence", never an alarm.
    """

    def on(rows: NDArray[np.intp]) -> float:
        return score(y[rows], pred[rows], None if proba is None else proba[rows])

    try:
        value, error, freedom = block_estimate(on, len(y))
    except (EverloopError, ValueError, ArithmeticError):
        value, error, freedom = math.nan, math.nan, 0
    if not (math.isfinite(value) and math.isfinite(error)):
        return Performance(
            baseline.metric,
            value if math.isfinite(value) else None,
            None,
            None,
            len(y),
            baseline.value,
            1.0,
            False,
            "not enough evidence",
        )
    loss = baseline.value - value - tolerance * abs(baseline.value)
    spread = math.hypot(error, baseline.error)
    p_value = float(loss <= 0)
    if spread > 0:
        p_value = float(scipy.special.stdtr(freedom, -loss / spread))
    return Performance(
        baseline.metric,
        value,
        value - 2.09 * error,
        value + 2.09 * error,
        len(y),
        baseline.value,
        p_value,
        p_value <= level,
    )


def _span(low: float, high: float) -> str:
    first, last = sorted((abs(low), abs(high)))
    return f"{first:.4g} to {last:.4g}"
