"""Metrics as monitoring uses them: a name, a function, and what they were when tested.

Which metrics there are is the test stage's affair; the loop hands them over as values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.errors import EverloopError
from everloop.monitor.dependence import block_estimate

MetricFunction = Callable[[NDArray[Any], NDArray[Any], NDArray[np.float64] | None], float]
"""``function(y, pred, proba)``: the metric with its own sign; NaN where it has no value."""

MOST_ROWS = 50_000  # of which the error is found
T = 2.09  # 97.5 % of Student's t with the 19 degrees of freedom that 20 blocks leave


class Interval(msgspec.Struct, frozen=True):
    """A value with its 95 % interval; None where nothing can be said."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Gauge:
    """One metric.

    ``bounds`` are its smallest and largest possible value; ``tested`` what it was on the
    champion's held-out rows. One that ``needs_probabilities`` has no value without.
    """

    name: str
    function: MetricFunction
    greater_is_better: bool = True
    bounds: tuple[float | None, float | None] = (None, None)
    tested: Interval | None = None
    needs_probabilities: bool = False

    def value(
        self, y: NDArray[Any], pred: NDArray[Any], proba: NDArray[np.float64] | None
    ) -> float:
        """The metric; NaN for rows that it cannot judge."""
        if not len(y) or (self.needs_probabilities and proba is None):
            return math.nan
        try:
            found = float(self.function(y, pred, proba))
        except (EverloopError, ValueError, ArithmeticError, IndexError):
            return math.nan
        return found if math.isfinite(found) else math.nan

    def interval(self, value: float, error: float, times: float = 1.96) -> Interval:
        """``value`` with ``times`` its error on both sides, within the bounds."""
        if not math.isfinite(value):
            return Interval(None)
        if not math.isfinite(error):
            return Interval(value)
        low, high = self.bounds
        least = value - times * error if low is None else max(low, value - times * error)
        most = value + times * error if high is None else min(high, value + times * error)
        return Interval(value, least, most)


def measured(
    gauges: Sequence[Gauge],
    y: NDArray[Any],
    pred: NDArray[Any],
    proba: NDArray[np.float64] | None,
) -> dict[str, dict[str, Any]]:
    """Every metric of labelled rows in time order, with its interval and what was tested.

    The error is that of blocks of consecutive rows. Of many rows it comes from some evenly spaced
    ones, which makes it too large rather than too small.
    """
    some = np.linspace(0, len(y) - 1, min(len(y), MOST_ROWS)).astype(np.intp)
    y_some, pred_some = y[some], pred[some]
    proba_some = None if proba is None else proba[some]
    out: dict[str, dict[str, Any]] = {}
    for gauge in gauges:

        def on(rows: NDArray[np.intp], gauge: Gauge = gauge) -> float:
            p = None if proba_some is None else proba_some[rows]
            return gauge.value(y_some[rows], pred_some[rows], p)

        value = gauge.value(y, pred, proba)
        if math.isfinite(value):
            found = gauge.interval(value, block_estimate(on, len(some)).error, T)
            out[gauge.name] = told(found, gauge)
    return out


def told(interval: Interval, gauge: Gauge) -> dict[str, Any]:
    """An interval beside the one at test time, as windows keep them."""
    tested = gauge.tested
    found: dict[str, Any] = msgspec.to_builtins(interval)
    return found | {
        "tested": None if tested is None else tested.value,
        "tested_low": None if tested is None else tested.low,
        "tested_high": None if tested is None else tested.high,
    }
