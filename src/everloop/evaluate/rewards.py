"""What each action is expected to earn in each row: the model of the doubly robust estimator.

A ridge regression for each action on one half of the rows says what the rows of the other half are
expected to earn, so that no row has a part in its own expectation (cross-fitting: Chernozhukov et
al., 2018). Both policies of a comparison are judged with the same one.
"""

from __future__ import annotations

import numpy as np

from everloop.data.rewards import ACTION, COLUMNS, REWARD
from everloop.data.schema import Schema

WIDEST = 200  # columns of the design; what comes after these is not read
LEVELS = 20  # of a category: the most frequent
PENALTY = 1.0
FEW = 10  # rows of an action, below which their mean is all that is known


def with_expected(y: np.ndarray, X: np.ndarray, schema: Schema) -> np.ndarray:
    """``y``, n by 3, and beside it the expected reward of each action: n by 3 + k.

    ``y`` is what :func:`everloop.data.rewards.logged` makes, ``X`` the features, n by
    ``schema.width``.
    """
    k = len(schema.classes)
    expected = np.zeros((len(y), k))
    design = _design(X, schema)
    half = np.arange(len(y)) % 2 == 0
    for known in (half, ~half):
        if not known.any():  # one row alone
            known = ~known
        rewards, done = y[known, REWARD], y[known, ACTION].astype(np.int64)
        for action in range(k):
            own = done == action
            if own.sum() >= FEW:
                values = _ridge(design[known][own], rewards[own], design[~known])
            else:
                values = rewards[own].mean() if own.any() else rewards.mean()
            expected[~known, action] = values
    return np.column_stack([y[:, :COLUMNS], expected])


def _design(X: np.ndarray, schema: Schema) -> np.ndarray:
    """Numbers with mean 0 and deviation 1 (0 where missing), and a column for each level."""
    columns: list[np.ndarray] = []
    for feature, span in zip(schema.features, schema.spans.values(), strict=True):
        if feature.shape or len(columns) >= WIDEST:
            continue
        for value in X[:, span].T:
            if feature.kind == "category":
                columns += [value == code for code in range(min(LEVELS, len(feature.levels)))]
            else:
                columns.append(_scaled(value))
    made = np.column_stack([np.zeros(len(X)), *columns[:WIDEST]])
    return made.astype(np.float64)


def _scaled(value: np.ndarray) -> np.ndarray:
    known = value[np.isfinite(value)]
    if not len(known) or not np.ptp(known):
        return np.zeros(len(value))
    return np.asarray(np.nan_to_num((value - known.mean()) / known.std()))


def _ridge(Z: np.ndarray, r: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The prediction for the rows ``asked``, within the rewards that were seen."""
    middle, mean = Z.mean(axis=0), r.mean()
    centred = Z - middle
    gram = centred.T @ centred + PENALTY * np.eye(Z.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (r - mean))
    return np.asarray(np.clip(mean + (asked - middle) @ weights, r.min(), r.max()))
