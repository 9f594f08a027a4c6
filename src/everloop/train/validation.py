"""Parts of the training rows on which candidates are compared; the holdout is never touched."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

SHARE = 0.2  # of the rows validates
FEW_ROWS = 2_000  # below this, one part is too small to choose by: five parts take turns
FOLDS = 5


def folds(
    y: np.ndarray, *, classification: bool, time_ordered: bool, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of row numbers ``(fit, validate)``.

    Parameters
    ----------
    y : targets in the order of the rows.
    classification : keep the share of each class in every part.
    time_ordered : rows are in order of time; then what validates is later than what is fitted.
    seed : of the shuffle when there is no order.
    """
    n = len(y)
    if time_ordered:
        return list(_forward(n))
    order = np.random.default_rng(seed).permutation(n)
    if classification:
        order = order[np.argsort(y[order], kind="stable")]
    # Dealt round like cards, rows sorted by class fall on every part alike.
    part = np.empty(n, dtype=np.int64)
    part[order] = np.arange(n) % FOLDS
    turns = range(FOLDS) if n < FEW_ROWS else range(1)
    return [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in turns]


def _forward(n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rows = np.arange(n)
    if n >= FEW_ROWS:
        cut = n - round(n * SHARE)
        yield rows[:cut], rows[cut:]
        return
    edges = np.linspace(n * 0.4, n, 4).round().astype(int)  # three blocks of a fifth each
    for start, stop in pairwise(edges):
        yield rows[:start], rows[start:stop]
