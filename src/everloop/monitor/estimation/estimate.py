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
DRAWS = 25  # labellings whose spread is that of the labels
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
    rng = np.random.default_rng(0)
    others = [
        estimator.believe(held, weights * _again(len(held), rng), rows).even(0.5)
        for _ in range(estimator.refits)
    ]
    drawn = [belief.draw(rng) for _ in range(DRAWS)]
    labels = Labels(*(_by_score(rows, some) for some in (_even(belief), drawn, others)))
    by_score = rows.on(_order(rows))
    wider = math.sqrt(_clusters(held) * len(rows) / max(total, 1))
    metrics: dict[str, Interval] = {}
    errors: dict[str, float] = {}
    for gauge in gauges:
        value, noise, fit = _judged(gauge, labels, by_score)
        if math.isfinite(value) and math.isfinite(noise) and math.isfinite(fit):
            metrics[gauge.name] = gauge.interval(value, math.hypot(noise * wider, fit))
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
    return float(np.mean([gauge.value(y, rows.pred, rows.proba) for y in _even(belief)]))


def row_error(gauge: Gauge, belief: Belief, rows: Rows) -> float:
    """How far the score of such rows is from that of all rows that might have come."""
    y = belief.even(0.5)

    def on(some: NDArray[np.intp]) -> float:
        proba = None if rows.proba is None else rows.proba[some]
        return gauge.value(y[some], rows.pred[some], proba)

    return block_estimate(on, len(rows)).error


class Labels(NamedTuple):
    """Labellings of the same rows, which all metrics share."""

    even: list[NDArray[Any]]
    drawn: list[NDArray[Any]]
    others: list[NDArray[Any]]  # what other held-out rows would have taught


def _judged(gauge: Gauge, labels: Labels, rows: Rows) -> tuple[float, float, float]:
    """The metric's expected value, how much the labels make it vary, and how much the fit.

    Chance alone raises some metrics (a calibration error is never below 0), which even labels do
    not show: where labels drawn by chance surely have another mean, it is that one.
    """
    even, drawn, others = (
        np.array([gauge.value(y, rows.pred, rows.proba) for y in some]) for some in labels
    )
    value, mean, spread = float(even.mean()), float(drawn.mean()), float(drawn.std(ddof=1))
    surely = 4 * spread / math.sqrt(len(drawn))
    return mean if abs(mean - value) > surely else value, spread, float(others.std(ddof=1))


def _even(belief: Belief) -> list[NDArray[Any]]:
    return [belief.even((i + 0.5) / EVEN) for i in range(EVEN)]


def _order(rows: Rows) -> NDArray[np.intp]:
    """Rows by what was answered: metrics that sort find their work done."""
    by = rows.pred if rows.proba is None else rows.proba[:, -1]
    return np.argsort(by, kind="stable")


def _by_score(rows: Rows, labels: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    order = _order(rows)
    return [y[order] for y in labels]


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
