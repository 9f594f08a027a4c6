"""How well one feature alone tells the target, on rows that it was not learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from everloop.data.leaks._base import Sides
from everloop.data.schema import Feature

Floats = NDArray[np.float64]
_BINS = 256


def strength(sides: Sides, feature: Feature, every: int = 1) -> float:
    """From 0 (tells nothing) to 1 (tells all); NaN where the test rows cannot say.

    With classes: twice the area under the ROC curve minus one, of the class that is told worst;
    with a number: R². What a feature says is the mean target of its level, or of its bin among 256
    with equal numbers of rows, as the training rows have it. ``every`` looks at each so many-th
    row, which says less of what tells much.
    """
    fitted, held = (values[::every] for values in sides.column(feature))
    y, truth = (values[::every] for values in sides.targets)
    at, of = _bins(fitted, held, feature.kind == "category")
    if not sides.schema.classes:
        return _r2(truth, _means(at, y, of))
    codes = np.unique(truth)
    if len(codes) < 2:
        return float("nan")
    if len(sides.schema.classes) == 2:
        codes = codes[:1]  # what tells one of two classes tells the other as well
    return min(
        2 * area(truth == code, _means(at, (y == code).astype(np.float64), of)) - 1
        for code in codes
    )


def area(positive: NDArray[np.bool_], score: Floats) -> float:
    """The area under the ROC curve by ranks, ties half; NaN with one class only."""
    ones = int(positive.sum())
    if ones in (0, len(positive)):
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    ranks = (upto - (counts - 1) / 2)[inverse]
    total = float(ranks[positive].sum())
    return (total - ones * (ones + 1) / 2) / (ones * (len(positive) - ones))


def _bins(fitted: Floats, held: Floats, levels: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """The bin of each row, 0 for a missing value."""
    present = fitted[~np.isnan(fitted)]
    if levels:
        edges = np.unique(present)
    else:
        shares = np.linspace(0, 1, _BINS + 1)
        edges = np.unique(np.quantile(present, shares)) if len(present) else present
    at, of = (np.searchsorted(edges, v, side="right") + 1 for v in (fitted, held))
    at[np.isnan(fitted)] = 0
    of[np.isnan(held)] = 0
    return at, of


def _means(at: NDArray[Any], y: Floats, of: NDArray[Any]) -> Floats:
    """The mean of ``y`` in each bin, drawn to the mean of all by one row's weight."""
    size = int(max(at.max(), of.max())) + 1
    totals = np.bincount(at, weights=y, minlength=size) + y.mean()
    found: Floats = (totals / (np.bincount(at, minlength=size) + 1))[of]
    return found


def _r2(truth: Floats, said: Floats) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - said) ** 2).sum()) / spread if spread > 0 else float("nan")
