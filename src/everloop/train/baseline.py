"""What knows nothing of the features: the line that every candidate must be above."""

from __future__ import annotations

import numpy as np

from everloop.train.training import Training

NAME = "baseline"


def baseline(training: Training) -> tuple[str, float] | None:
    """The strategy and its mean validation score; None for a task that has no such answer.

    ``majority`` answers the most frequent class and the shares of all, ``mean`` the mean, ``last``
    (rows in order of time) the last value that was known before the validation rows.
    """
    task = training.schema.task
    if task not in ("regression", "binary", "multiclass"):
        return None
    values = []
    for fit_rows, rows in training.folds:
        y, n = training.y[fit_rows], len(rows)
        if task == "regression":
            known = y[-1] if training.time_ordered else y.mean()
            answer, proba = np.full(n, float(known)), None
        else:
            shares = np.bincount(y.astype(np.int64), minlength=len(training.schema.classes)) / len(
                y
            )
            answer, proba = np.full(n, int(shares.argmax())), np.tile(shares, (n, 1))
        values.append(training.score(training.y[rows], answer, proba))
    known_values = [v for v in values if not np.isnan(v)]
    if not known_values:
        return None
    last = training.time_ordered and task == "regression"
    strategy = "last" if last else "mean" if task == "regression" else "majority"
    return strategy, float(np.mean(known_values))
