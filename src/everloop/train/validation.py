"""Parts of the training rows on which candidates are compared; the holdout is never touched."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from everloop.errors import invalid

SHARE = 0.2  # of the rows validates
FEW_ROWS = 2_000  # below this, one part is too small to choose by: five parts take turns
FOLDS = 5


def folds(
    y: np.ndarray,
    *,
    classification: bool,
    time_ordered: bool,
    seed: int,
    together: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of row numbers ``(fit, validate)``.

    Parameters
    ----------
    y : targets in the order of the rows.
    classification : keep the share of each class in every part.
    time_ordered : rows are in order of time; then what validates is later than what is fitted.
    seed : of the shuffle when there is no order.
    together : n codes; rows with one code never fit and validate. By time, those that validate
        are left out of the fit.
    """
    n = len(y)
    if time_ordered:
        return [_apart(fit, rows, together) for fit, rows in _forward(n)]
    if together is not None:
        return _whole(together, seed)
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


def _whole(together: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Parts of whole groups, about as many rows in each; the largest group is placed first."""
    names, at, sizes = np.unique(together, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    filled = np.zeros(min(FOLDS, len(names)))
    home = np.empty(len(names), dtype=np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        home[group] = filled.argmin()
        filled[home[group]] += sizes[group]
    part = home[at]
    if len(names) < 2:
        raise invalid("evaluate.group_by", "<one group in the training rows>", "two or more")
    turns = range(len(filled)) if len(together) < FEW_ROWS else range(1)
    return [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in turns]


def _apart(
    fit: np.ndarray, rows: np.ndarray, together: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    if together is None:
        return fit, rows
    kept = fit[~np.isin(together[fit], together[rows])]
    if len(kept) == 0:
        raise invalid(
            "evaluate.group_by", "<each group in every stretch of time>", "groups that end"
        )
    return kept, rows
