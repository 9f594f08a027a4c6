"""Drift of a category: whether two tables of counts come from the same shares."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.profile import CategorySketch, Sketch

RARE = 5.0  # levels expected less often than this in either sample are counted together


@drift_tests.register("chi_square")
class ChiSquare(DriftTest):
    """Pearson's test of homogeneity, divided by the design effect of rows that come in order.

    (Pearson 1900; first-order correction of Rao & Scott, JASA 1981.) The effect is the total
    variation distance: the share of rows that would have to change their level.
    """

    kinds = ("category",)

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        if not (isinstance(reference, CategorySketch) and isinstance(window, CategorySketch)):
            return None
        if reference.levels != window.levels or not reference.n or not window.n:
            return None
        before = np.array([*reference.counts, reference.unseen], dtype=np.float64)
        after = np.array([*window.counts, window.unseen], dtype=np.float64)
        away = after / window.n - before / reference.n
        per_draw = reference.rows_per_draw
        statistic, freedom = _pearson(before, after)
        p_value = float(chdtrc(freedom, statistic / per_draw)) if freedom else 1.0
        draws = reference.n * window.n / (reference.n + window.n) / per_draw
        names = [*reference.levels, "unseen values"]
        most = int(np.abs(away).argmax())
        share_before, share_after = before[most] / reference.n, after[most] / window.n
        summary = f"{names[most]} {share_before:.1%} → {share_after:.1%}"
        return Shift(statistic, float(np.abs(away).sum() / 2), p_value, draws, summary)


def _pearson(before: np.ndarray, after: np.ndarray) -> tuple[float, int]:
    """The statistic and its degrees of freedom, rare levels together."""
    total = before + after
    share = min(before.sum(), after.sum()) / total.sum()
    rare = total * share < RARE
    if rare.any():
        before = np.append(before[~rare], before[rare].sum())
        after = np.append(after[~rare], after[rare].sum())
        total = before + after
    present = total > 0
    observed = np.stack([before[present], after[present]])
    expected = observed.sum(axis=1, keepdims=True) * total[present] / total.sum()
    return float(((observed - expected) ** 2 / expected).sum()), int(present.sum()) - 1
