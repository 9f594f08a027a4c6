"""What a fitted estimator answers, with a probability for every class of the schema."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.data.quantiles import with_levels
from everloop.data.schema import Schema

BLENDED = ("regression", "binary", "multiclass")  # tasks whose answers have a mean and a loss


def predict(estimator: Any, X: np.ndarray, schema: Schema) -> tuple[np.ndarray, np.ndarray | None]:
    """Answers of ``estimator`` on ``X`` (n rows by ``schema.width``, float64).

    Returns ``(values, None)`` for regression and ranking, ``(middle, quantiles and their levels)``
    for quantiles and ``(codes, probabilities)`` for classification, probabilities n by k in the
    order of ``schema.classes``, 0 for a class that was not in training. Of several labels a row
    both are n by k, the first of 0 and 1.
    """
    if schema.task == "multilabel":
        own = np.asarray(estimator.predict_proba(X), dtype=np.float64)
        cuts = getattr(estimator, "thresholds", 0.5)
        return (own >= cuts).astype(np.int64), own
    if schema.task == "quantile":
        quantiles = np.asarray(estimator.predict(X), dtype=np.float64)
        return quantiles[:, quantiles.shape[1] // 2], with_levels(quantiles, schema)
    if schema.numeric:
        return np.asarray(estimator.predict(X), dtype=np.float64).reshape(len(X)), None
    seen = np.asarray(estimator.classes_).astype(np.int64)
    known = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    probabilities = np.zeros((len(X), len(schema.classes)))
    probabilities[:, seen] = known
    decide = getattr(estimator, "decide", None)
    chosen = known.argmax(axis=1) if decide is None else decide(known)
    return seen[chosen], probabilities


def mean_loss(answers: np.ndarray, y: np.ndarray) -> float:
    """Squares of n numbers, or minus the logarithm of the probability (n by k) of what was true.

    Each row tells more of it than of whether an answer was right, and less of luck.
    """
    if answers.ndim == 1:
        return float(np.mean((answers - y) ** 2))
    true = answers[np.arange(len(y)), y.astype(np.int64)]
    return -float(np.log(np.maximum(true, 1e-7)).mean())
