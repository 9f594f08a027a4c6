"""How good answers are, and how sure it is that one side is better than another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

RESAMPLES = 2_000


def score(task: str, y: np.ndarray, pred: np.ndarray) -> float:
    """Accuracy, for ``binary`` the area under the ROC curve of scores, or R2 of numbers."""
    if task == "classification":
        return float(np.mean(y == pred))
    if task == "binary":
        positive = y == 1
        count = int(positive.sum())
        ranks = float(stats.rankdata(pred)[positive].sum())
        return (ranks - count * (count + 1) / 2) / (count * (len(y) - count))
    return float(1 - np.sum((y - pred) ** 2) / np.sum((y - y.mean()) ** 2))


def interval(
    task: str, y: np.ndarray, pred: np.ndarray, other: np.ndarray | None = None
) -> tuple[float, float]:
    """Of a score, or of how much it is above that of ``other``: 95 %, by resampled rows."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(y), size=len(y))
        below = 0.0 if other is None else score(task, y[rows], other[rows])
        values.append(score(task, y[rows], pred[rows]) - below)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def corrected(differences: Sequence[float], held_out: float) -> tuple[float, float]:
    """95 % interval of the mean difference over hold-outs of the same rows.

    ``m ± t₀.₉₇₅(J-1) √((1/J + n₂/n₁) s²)`` with J hold-outs of n₂ rows beside n₁ for training and
    the variance s² of the differences (Nadeau and Bengio, "Inference for the generalization
    error", 2003). The hold-outs share most of their rows, so that s²/J alone is far too small; and
    rows resampled within them would leave out what another training set, or another search over
    it, changes. ``held_out`` is ``n₂ / (n₁ + n₂)``.
    """
    count = len(differences)
    spread = float(np.var(differences, ddof=1)) * (1 / count + held_out / (1 - held_out))
    far = float(stats.t.ppf(0.975, count - 1)) * spread**0.5
    middle = float(np.mean(differences))
    return middle - far, middle + far
