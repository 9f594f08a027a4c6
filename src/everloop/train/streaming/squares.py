"""Linear models of squared errors: all they read of the rows are sums of products."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import clone

from everloop.train.streaming.fit import Refit
from everloop.train.streaming.progress import Progress

WIDEST = 2_000  # columns; their products take this squared


def solve(part: Refit) -> tuple[Any | None, str]:
    """The same coefficients, to rounding, as a fit on all rows at once gives.

    With ``A`` the centred columns and the target beside them, ``AᵀA`` is summed up in one pass.
    Its root ``R``, with ``RᵀR = AᵀA``, has as many rows as columns; ``||y - Xw||²`` over ``R`` is
    that over all rows, so the same estimator is fitted to ``R`` without an intercept. Lasso and
    elastic net divide by the number of rows, so ``R`` is scaled to theirs.
    """
    width = part.sample.X.shape[1]
    if width > WIDEST:
        return None, f"{width:,} columns are too many to sum their products"
    total, mean, rows = _products(part, width)
    spread = float(np.sqrt(total[-1, -1] / rows)) if part.scaled else 1.0
    total[-1] /= spread
    total[:, -1] /= spread
    values, vectors = np.linalg.eigh(total)
    root = np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T
    if "l1_ratio" in part.model.get_params() or type(part.model).__name__ == "Lasso":
        root *= np.sqrt(len(root) / rows)
    inner = clone(part.model).set_params(fit_intercept=False)
    inner.fit(root[:, :-1], root[:, -1])
    fitted = copy.deepcopy(part.model)
    fitted.coef_ = inner.coef_ * spread
    fitted.intercept_ = np.float64(mean[-1] - mean[:-1] @ fitted.coef_)
    return fitted, "sums of products"


def _products(part: Refit, width: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Centred products of all columns and the target, their means and the number of rows."""
    middle = np.append(np.asarray(part.sample.X.mean(axis=0)).ravel(), part.sample.y.mean())
    progress = Progress(part)
    zero: list[Any] = [np.zeros((width + 1, width + 1)), np.zeros(width + 1), 0]
    total, moved, rows = progress.found(None) or zero
    for number, X, y in part.whole_blocks(progress.blocks):
        dense = np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
        A = np.column_stack([dense, y]) - middle  # near the mean, so that little is lost
        total += A.T @ A
        moved += A.sum(axis=0)
        rows += len(A)
        progress.keep(number + 1, [total, moved, rows])
    away = moved / rows
    return total - rows * np.outer(away, away), middle + away, rows
