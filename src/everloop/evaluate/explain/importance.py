"""Permutation importance: how much worse the answers get when one feature is shuffled."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import Metric

Ask = Callable[[NDArray[np.float64]], Answers]
"""A model as explanations ask it: rows of ``X`` in, what it answers out."""

ROWS = 2_000
REPEATS = 3


class Importance(msgspec.Struct, frozen=True):
    """``drop`` is the mean loss of the metric (positive: the feature helps); ``spread`` its
    standard deviation over the repeats."""

    feature: str
    drop: float
    spread: float


def permutation_importance(
    ask: Ask,
    X: NDArray[np.float64],
    y: np.ndarray,
    schema: Schema,
    metric: Metric,
    *,
    repeats: int = REPEATS,
    rows: int = ROWS,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> list[Importance]:
    """Every feature's importance for ``metric``, the largest first.

    A feature is shuffled as a whole: all its columns of ``X`` move together. At most ``rows``
    random rows are used; ``groups`` are codes of rows that are ranked together. Features that tell
    the same share their importance, and each of them alone may look useless. Source: L. Breiman,
    Random Forests, Machine Learning 45 (2001); for any model: A. Fisher, C. Rudin, F. Dominici,
    JMLR 20 (2019).
    """
    rng = np.random.default_rng(seed)
    if len(X) > rows:
        chosen = np.sort(rng.choice(len(X), rows, replace=False))
        X, y = X[chosen], y[chosen]
        groups = None if groups is None else groups[chosen]
    whole = _score(ask, X, y, metric, groups)
    out = []
    for name, span in schema.spans.items():
        drops = []
        for _ in range(repeats):
            shuffled = X.copy()
            shuffled[:, span] = X[rng.permutation(len(X)), span]
            drops.append(whole - _score(ask, shuffled, y, metric, groups))
        out.append(Importance(name, float(np.mean(drops)), float(np.std(drops))))
    return sorted(out, key=lambda one: (-one.drop, one.feature))


def _score(
    ask: Ask,
    X: NDArray[np.float64],
    y: np.ndarray,
    metric: Metric,
    groups: np.ndarray | None,
) -> float:
    answers = ask(X)
    return metric.score(y, answers.pred, answers.proba, groups)
