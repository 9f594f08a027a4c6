"""A feature that is the target under another name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from everloop.data.leaks._base import Leak, LeakCheck, Sides
from everloop.extensions import leak_checks

_SAME = 0.999  # of the rows with a value; a copy may have been mended by hand
_RANKS = 0.9999  # correlation of ranks
_LEAST = 20  # rows with a value
_FIRST = 1_000  # rows that most columns show more levels in than there are classes


@leak_checks.register("target_copy")
class TargetCopy(LeakCheck):
    """The feature's values stand for those of the target, one for one.

    With classes each level goes with one class and each class with one level; with a number the
    ranks agree (Spearman's correlation), so a copy in another unit or its logarithm is found too.
    """

    def find(self, sides: Sides) -> Iterator[Leak]:
        y = np.concatenate(sides.targets)
        for feature in sides.features:
            x = np.concatenate(sides.column(feature))
            there = ~np.isnan(x)
            if there.sum() < _LEAST:
                continue
            if sides.schema.classes:
                same = _one_for_one(x[there], y[there])
                how = f"stands for one class in {same:.1%} of the rows"
                copied = same >= _SAME
            else:
                same = abs(_rank_correlation(x[there], y[there]))
                how = f"orders the rows as the target does (rank correlation {same:.5f})"
                copied = same >= _RANKS
            if copied:
                sentence = (
                    f'Column "{feature.name}" copies the target "{sides.schema.target}": each of '
                    f"its values {how}."
                    if sides.schema.classes
                    else f'Column "{feature.name}" copies the target "{sides.schema.target}": it '
                    f"{how}."
                )
                yield Leak("target_copy", "leak", sentence, feature.name, round(float(same), 6))


def _one_for_one(x: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """The share of rows that agree with the best pairing of levels and classes; else 0."""
    classes, of = np.unique(y, return_inverse=True)
    if len(np.unique(x[:_FIRST])) > len(classes):
        return 0.0
    levels, at = np.unique(x, return_inverse=True)
    if len(levels) != len(classes) or len(classes) < 2:
        return 0.0
    table = np.zeros((len(levels), len(classes)), dtype=np.int64)
    np.add.at(table, (at, of), 1)
    best = table.argmax(axis=1)
    if len(set(best.tolist())) != len(classes):
        return 0.0
    return float(table.max(axis=1).sum() / len(x))


def _rank_correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
