"""Training on batches that are never in memory together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from everloop.data.encode import Examples
from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.train.candidates._base import Candidate

TREES = 20  # that each batch adds to a boosted model


def fit_batches(
    candidate: Candidate,
    schema: Schema,
    params: dict[str, Any],
    sample: Examples,
    batches: Iterable[Examples],
    seed: int,
    trees: int = TREES,
) -> Any:
    """A fitted pipeline, as a fit on all rows at once would give one, to be exported as any other.

    What prepares the columns learns from ``sample``. Then each batch continues the model: by
    ``partial_fit`` where the algorithm has it, and for LightGBM by ``trees`` more trees on what is
    left of the error (so the last batches are seen with fewer trees than the first).

    Raises :class:`~everloop.errors.InvalidInput` for an algorithm that can do neither, and when
    there is no batch.
    """
    estimator = candidate.build(schema, schema.task, seed, dict(params))
    front, model = estimator[:-1], estimator[-1]
    boosted = type(model).__module__.startswith("lightgbm")
    if not boosted and not hasattr(model, "partial_fit"):
        raise invalid(
            "train.candidates",
            type(candidate).__name__,
            "an algorithm that learns in batches (lightgbm, or one with partial_fit)",
            code="not_incremental",
        )
    front.fit(sample.X, sample.y)
    first = True
    for batch in batches:
        X, y = front.transform(batch.X), batch.y
        if boosted:
            X, y = _every_class(X, y, front, sample, schema)
            model.set_params(n_estimators=trees)
            model.fit(X, y, init_model=None if first else model.booster_)
        elif schema.classes and first:
            model.partial_fit(X, y, classes=np.arange(len(schema.classes)))
        else:
            model.partial_fit(X, y)
        first = False
    if first:
        raise invalid("data.source", "<no rows>", "at least one batch", code="empty_source")
    return estimator


def _every_class(
    X: Any, y: np.ndarray, front: Any, sample: Examples, schema: Schema
) -> tuple[Any, np.ndarray]:
    """A batch without some class is given one row of it from the sample, as the model needs all."""
    absent = np.setdiff1d(np.arange(len(schema.classes)), y)
    rows = [int(np.argmax(sample.y == code)) for code in absent if (sample.y == code).any()]
    if not rows:
        return X, y
    return np.vstack([X, front.transform(sample.X[rows])]), np.concatenate([y, sample.y[rows]])
