"""From a pipeline fitted on a sample to the same fitted on all rows.

What prepares the columns, calibrates and decides is kept as it was learned on the sample; the model
at the end is fitted anew. How depends on what it is:

=====================================  ==========================================================
model                                  all rows by
=====================================  ==========================================================
LightGBM                               its own histograms, see :mod:`.boosting`
least squares, ridge, lasso, elastic   sums of products, see :mod:`.squares`
net
logistic regression                    the mean of fits to parts, see :mod:`.averaging`
``partial_fit`` (naive Bayes, MLP,     one pass, see :mod:`.gradual`
SGD, a class of the user's)
=====================================  ==========================================================

Any other stays as the sample made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline

from everloop.data.encode import Examples
from everloop.data.schema import Schema
from everloop.train.loading import load
from everloop.train.streaming.rows import Rows, other_rows

_HERE = "everloop.train.streaming"
WAYS = {
    "LGBMClassifier": f"{_HERE}.boosting:boost",
    "LGBMRegressor": f"{_HERE}.boosting:boost",
    "LinearRegression": f"{_HERE}.squares:solve",
    "Ridge": f"{_HERE}.squares:solve",
    "Lasso": f"{_HERE}.squares:solve",
    "ElasticNet": f"{_HERE}.squares:solve",
    "LogisticRegression": f"{_HERE}.averaging:average",
}
_LIBRARIES = ("sklearn", "lightgbm")


@dataclass(frozen=True)
class Refit:
    """What a way of fitting gets.

    Attributes
    ----------
    model : fitted on ``sample``; it is not changed.
    sample : prepared rows and targets.
    room : bytes that the fit may take beside.
    scaled : whether a target of numbers is learned with mean 0 and deviation 1.
    checkpoints : a folder of this fit's own, where what takes long keeps its state and finds it
        again after a crash; None when it need not.
    """

    model: Any
    front: Any
    sample: Examples
    rows: Rows
    schema: Schema
    room: int
    scaled: bool
    checkpoints: Path | None = None

    def read(self, wanted: range) -> Iterator[tuple[Any, np.ndarray]]:
        """Pairs of prepared rows and targets; targets of classes as positions in those seen."""
        seen = getattr(self.model, "classes_", None)
        for some in self.rows.read(wanted):
            y = some.y if seen is None else np.searchsorted(seen, some.y)
            yield self.front.transform(some.X) if len(self.front) else some.X, y

    def whole_blocks(self, first: int = 0) -> Iterator[tuple[int, Any, np.ndarray]]:
        """The blocks from number ``first`` on, each with its number and all its rows at once.

        So what is learned does not depend on how the rows were read. Raises
        :class:`~everloop.errors.Conflict` where there are other rows than were counted.
        """
        pairs = self.read(self.rows.every(first=first))
        for number, rows in enumerate(self.rows.blocks[first:], first):
            X: list[Any] = []
            y: list[np.ndarray] = []
            while sum(map(len, y)) < rows and (pair := next(pairs, None)) is not None:
                X.append(pair[0])
                y.append(pair[1])
            if sum(map(len, y)) != rows:
                raise other_rows(len(self.rows))
            if rows:
                yield number, stacked(X), np.concatenate(y)
        if next(pairs, None) is not None:
            raise other_rows(len(self.rows))


@dataclass(frozen=True)
class Streamed:
    """The pipeline after it, how many rows its model learned from, and how, in words."""

    estimator: Any
    rows: int
    how: str


def fit_stream(
    estimator: Any,
    sample: Examples,
    rows: Rows,
    schema: Schema,
    room: int,
    scaled: bool = False,
    checkpoints: Path | None = None,
) -> Streamed:
    """Fit the model of a pipeline on ``rows``.

    Parameters
    ----------
    estimator : fitted on ``sample``, as :func:`everloop.train.fit.fit_candidates` returns it.
    sample : the rows it was fitted on, a fair sample of ``rows``.
    room : bytes that the fit may take.
    scaled : the candidate's ``scales_target``.
    checkpoints : see :class:`Refit`; the caller removes it.
    """
    pipeline = _pipeline(estimator)
    if pipeline is None:
        return Streamed(estimator, len(sample), "it is not one model behind a preparation")
    model = pipeline[-1]
    way = _way(model)
    if way is None:
        why = f"{type(model).__name__} does not learn in batches"
        return Streamed(estimator, len(sample), why)
    front = pipeline[:-1]
    prepared = Examples(front.transform(sample.X) if len(front) else sample.X, sample.y)
    part = Refit(model, front, prepared, rows, schema, room, scaled, checkpoints)
    fitted, how = load(way)(part)
    if fitted is None:
        return Streamed(estimator, len(sample), how)
    pipeline.steps[-1] = (pipeline.steps[-1][0], fitted)
    return Streamed(estimator, len(rows), how)


def stacked(parts: list[Any]) -> Any:
    """Prepared rows one below the other."""
    if len(parts) == 1:
        return parts[0]
    return sparse.vstack(parts).tocsr() if sparse.issparse(parts[0]) else np.vstack(parts)


def _pipeline(estimator: Any) -> Pipeline | None:
    """The pipeline inside what calibrates and decides."""
    while not isinstance(estimator, Pipeline):
        estimator = getattr(estimator, "estimator", None)
        if estimator is None:
            return None
    return estimator


def _way(model: Any) -> str | None:
    library = type(model).__module__.partition(".")[0]
    if library in _LIBRARIES and type(model).__name__ in WAYS:
        return WAYS[type(model).__name__]
    return f"{_HERE}.gradual:continue_fit" if hasattr(type(model), "partial_fit") else None
