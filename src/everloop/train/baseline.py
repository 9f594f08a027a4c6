"""What knows nothing of the features: the line that every candidate must be above."""

from __future__ import annotations

import numpy as np

from everloop.data.quantiles import with_levels
from everloop.data.rewards import ACTION, PROPENSITY, REWARD
from everloop.train.training import Training, mean_score

NAME = "baseline"
MOST_ROWS = 100_000
DRAWS = 20  # orders of chance: one alone would be lucky or not where lists are few


def baseline(training: Training) -> tuple[str, float] | None:
    """The strategy and its mean validation score; None for a task that has no such answer.

    ``best action`` (a bandit) does what earned most, as if nothing were known of the row;
    ``majority`` answers the most frequent class (of each label whether most rows have it) and the
    shares of all, ``mean`` the mean, ``last``
    (rows in order of time) the last value that was known before the validation rows,
    ``persistence`` (a forecast) the newest value that was known for each row, ``quantiles`` those
    of the known values, and ``chance`` (a ranking) is the mean of orders that are drawn.

    Of very many rows, every so many-th is enough.
    """
    task = training.schema.task
    if task == "ranking":
        return _chance(training)
    training = training.thinned(MOST_ROWS)
    if training.schema.persistence is not None:
        return _persistence(training, training.schema.persistence)
    if task == "quantile":
        return _quantiles(training)
    if task not in ("regression", "binary", "multiclass", "multilabel", "bandit"):
        return None
    values = []
    for fit_rows, rows in training.folds:
        y, n = training.y[fit_rows], len(rows)
        if task == "regression":
            known = y[-1] if training.time_ordered else y.mean()
            answer, proba = np.full(n, float(known)), None
        elif task == "bandit":
            proba = np.tile(best_action(y, len(training.schema.classes)), (n, 1))
            answer = proba.argmax(axis=1)
        elif task == "multilabel":
            shares = y.mean(axis=0)
            proba = np.tile(shares, (n, 1))
            answer = (proba >= 0.5).astype(np.int64)
        else:
            shares = np.bincount(y.astype(np.int64), minlength=len(training.schema.classes)) / len(
                y
            )
            answer, proba = np.full(n, int(shares.argmax())), np.tile(shares, (n, 1))
        values.append(training.score(training.y[rows], answer, proba))
    last = training.time_ordered and task == "regression"
    named = {"regression": "mean", "bandit": "best action"}
    strategy = "last" if last else named.get(task, "majority")
    return _scored(strategy, values)


def best_action(y: np.ndarray, actions: int) -> np.ndarray:
    """1 for the action with the best mean reward, weighted by 1 / propensity, and 0 for the others.

    ``y`` : n by 3, as :func:`everloop.data.rewards.logged` makes them.
    """
    done, weights = y[:, ACTION].astype(np.int64), 1.0 / y[:, PROPENSITY]
    total = np.bincount(done, weights * y[:, REWARD], minlength=actions)
    known = np.bincount(done, weights, minlength=actions)
    means = np.full(actions, -np.inf)
    np.divide(total, known, out=means, where=known > 0)
    return np.asarray(np.eye(actions)[means.argmax()])


def _persistence(training: Training, feature: str) -> tuple[str, float] | None:
    column = training.schema.spans[feature].start
    values = []
    for _, rows in training.folds:
        answer = training.X[rows, column]
        known = np.isfinite(answer)
        values.append(training.score(training.y[rows][known], answer[known], None))
    return _scored("persistence", values)


def _quantiles(training: Training) -> tuple[str, float] | None:
    values = []
    for fit_rows, rows in training.folds:
        known = np.quantile(training.y[fit_rows], training.schema.quantiles)
        answers = np.tile(known, (len(rows), 1))
        middle, proba = answers[:, len(known) // 2], with_levels(answers, training.schema)
        values.append(training.score(training.y[rows], middle, proba))
    return _scored("quantiles", values)


def _chance(training: Training) -> tuple[str, float] | None:
    values, rng = [], np.random.default_rng(training.seed)
    for _, rows in training.folds:
        groups = np.zeros(len(rows), np.int64) if training.groups is None else training.groups[rows]
        some = groups % -(-len(rows) // MOST_ROWS) == 0  # whole lists, of very many rows
        y, groups = training.y[rows][some], groups[some]
        draws = int(np.clip(MOST_ROWS // max(len(y), 1), 1, DRAWS))
        drawn = [training.score(y, rng.random(len(y)), None, groups) for _ in range(draws)]
        values.append(float(np.mean(drawn)))
    return _scored("chance", values)


def _scored(strategy: str, values: list[float]) -> tuple[str, float] | None:
    score = mean_score(values)
    return None if np.isnan(score) else (strategy, score)
