"""From what labels may be to what scores may be, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Task
from everloop.extensions import estimators
from everloop.monitor.dependence import block_estimate, rows_per_draw
from everloop.monitor.estimation._base import Belief, Estimator, Rows, effective_rows
from everloop.monitor.estimation.heldout import Floats, HeldOut
from everloop.monitor.estimation.support import outside
from everloop.monitor.gauges import Gauge, Interval

AUTO: dict[Task, str] = {
    "binary": "adaptive",
    "multiclass": "adaptive",
    "regression": "dle",
    "quantile": "dle",
}
LEAST_HELD = 200  # held-out rows; fewer are "not enough evidence"
MOST_ROWS = 20_000  # of a window that are looked at, evenly spaced
EVEN = 5  # labellings whose mean is the expected value
DRAWS = 40  # labellings whose spread is that of the labels
DAYS = 50  # blocks of held-out rows that are drawn again together


class Estimation(msgspec.Struct, frozen=True):
    """What the scores of some rows may be. ``warnings`` say why not to believe it.

    ``errors`` are of the fit alone: how far the expected value itself may be off.
    """

    method: str
    blind: str
    rows: int
    held_out: int
    effective_rows: float
    warnings: tuple[str, ...]
    metrics: dict[str, Interval]
    errors: dict[str, float]


def estimator_for(name: str, task: Task) -> tuple[str, Estimator] | None:
    """The estimator that ``monitor.performance.estimate`` names; None where the task has none.

    Raises :class:`~everloop.errors.InvalidInput` for a name that is none.
    """
    if name == "none" or (name == "auto" and task not in AUTO):
        return None
    name = AUTO[task] if name == "auto" else name
    found: Estimator = estimators.get(name, "monitor.performance.estimate")()
    return (name, found) if task in found.tasks else None


class Believed(NamedTuple):
    """What the labels of ``rows`` may be, learned from held-out rows of these ``weights``."""

    belief: Belief
    rows: Rows
    weights: Floats
    warnings: list[str]


def believe(estimator: Estimator, held: HeldOut, rows: Rows) -> Believed:
    """The belief about ``rows``, in time order; beyond 20,000 about evenly spaced ones of them."""
    if len(rows) > MOST_ROWS:
        rows = rows.on(np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.intp))
    weights, warnings = estimator.relevance(held, rows)
    return Believed(estimator.believe(held, weights, rows), rows, weights, warnings)


def estimate(
    method: str,
    estimator: Estimator,
    held: HeldOut,
    believed: Believed,
    total: int,
    gauges: Sequence[Gauge],
) -> Estimation:
    """The scores that ``total`` rows may have, by what is believed of some or all of them.

    The interval is for the score that will be measured once all labels are there: what the labels
    may turn out to be, more widely where right answers come in clusters, and what another set of
    held-out rows would have taught.
    """
    belief, rows, weights, warnings = believed
    clusters = _clusters(held)
    rng = np.random.default_rng(0)
    drawn = [belief.draw(rng) for _ in range(DRAWS)]
    others = [
        estimator.believe(held, weights * _again(len(held), rng), rows).even(0.5)
        for _ in range(estimator.refits)
    ]
    metrics: dict[str, Interval] = {}
    errors: dict[str, float] = {}
    for gauge in gauges:
        value, noise = _with_noise(gauge, belief, drawn, rows)
        noise *= math.sqrt(clusters * len(rows) / max(total, 1))
        fit = float(np.std([gauge.value(y, rows.pred, rows.proba) for y in others], ddof=1))
        if math.isfinite(value) and math.isfinite(noise) and math.isfinite(fit):
            metrics[gauge.name] = gauge.interval(value, math.hypot(noise, fit))
            errors[gauge.name] = fit
    return Estimation(
        method,
        estimator.blind,
        total,
        len(held),
        effective_rows(weights),
        (*warnings, *outside(held, rows)),
        metrics,
        errors,
    )


def expected(gauge: Gauge, belief: Belief, rows: Rows) -> float:
    """The metric's expected value under a belief; NaN where it has none."""
    offsets = (np.arange(EVEN) + 0.5) / EVEN
    return float(np.mean([gauge.value(belief.even(u), rows.pred, rows.proba) for u in offsets]))


def row_error(gauge: Gauge, belief: Belief, rows: Rows) -> float:
    """How far the score of such rows is from that of all rows that might have come."""
    y = belief.even(0.5)

    def on(some: NDArray[np.intp]) -> float:
        proba = None if rows.proba is None else rows.proba[some]
        return gauge.value(y[some], rows.pred[some], proba)

    return block_estimate(on, len(rows)).error


def _with_noise(
    gauge: Gauge, belief: Belief, drawn: Sequence[NDArray[Any]], rows: Rows
) -> tuple[float, float]:
    """The metric's expected value, and how much the labels make it vary.

    Chance alone raises some metrics (a calibration error is never below 0), which even labels do
    not show: where labels drawn by chance surely have another mean, it is that one.
    """
    values = [gauge.value(y, rows.pred, rows.proba) for y in drawn]
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    value = expected(gauge, belief, rows)
    surely = 3 * spread / math.sqrt(len(values))
    return (mean if abs(mean - value) > surely else value), spread


def _clusters(held: HeldOut) -> float:
    """How many rows are worth one, since right answers come together in time."""
    if held.proba is not None and held.y.dtype == np.int64:
        return rows_per_draw((held.y == held.pred).astype(np.int64), 2)
    away = np.abs(held.y - held.pred)
    return rows_per_draw((away > np.median(away)).astype(np.int64), 2)


def _again(n: int, rng: np.random.Generator) -> Floats:
    """How often each row is drawn, by blocks of consecutive rows (Künsch, 1989)."""
    blocks = min(DAYS, n)
    times = np.bincount(rng.integers(0, blocks, blocks), minlength=blocks)
    return times[np.arange(n) * blocks // n].astype(np.float64)
