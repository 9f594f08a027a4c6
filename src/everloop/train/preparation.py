"""From the matrix ``X`` of a schema to what an estimator can learn from.

Preparation is the first part of the fitted pipeline, so it travels inside the exported model:
serving sends the same ``X``, with NaN for a missing number and -1 for a missing or unseen level.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from everloop.data.schema import Schema


class MissingFiller(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Put the training median in the place of NaN.

    Parameters
    ----------
    keep : leave NaN in those columns that had some in training, for estimators that learn from
        them. A column that was complete in training is filled all the same: the estimator has
        never seen it missing.
    float32 : round the result to single precision, in which trees are served.

    Attributes
    ----------
    statistics_ : one value a column, float64; NaN where NaN is kept, 0 for a column of only NaN.
    """

    def __init__(self, keep: bool = False, float32: bool = False) -> None:
        self.keep = keep
        self.float32 = float32

    def fit(self, X: np.ndarray, y: Any = None) -> MissingFiller:
        """Learn the medians of ``X``, float64 of n rows and d columns."""
        missing = np.isnan(X)
        self.statistics_ = np.array(
            [_median(x[~gone]) for x, gone in zip(X.T, missing.T, strict=True)]
        )
        if self.keep:
            self.statistics_[missing.any(axis=0)] = np.nan
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """``X`` with NaN replaced: a copy when there is any to replace."""
        gone = np.isnan(X)
        gone &= ~np.isnan(self.statistics_)
        filled = np.where(gone, self.statistics_, X) if gone.any() else X
        return filled.astype(np.float32) if self.float32 else filled


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0


def one_hot(schema: Schema) -> Any:
    """For linear models: numbers filled and scaled, a category as one column for each level.

    A missing or unseen level is all zeros. Sparse when categories dominate.
    """
    return _linear(schema, scale=True)


def one_hot_unscaled(schema: Schema) -> Any:
    """The same with numbers in their own units when there is no category.

    Least squares needs no scale, and coefficients in the user's units can be read. With
    categories the matrix may be sparse, where the iterative solver does want a scale.
    """
    return _linear(schema, scale=any(f.kind == "category" for f in schema.features))


def filled_codes(schema: Schema) -> Any:
    """For trees that cannot see NaN: numbers filled, categories as their codes, float32."""
    return MissingFiller(float32=True)


def native_codes(schema: Schema) -> Any:
    """For trees that handle NaN themselves: as it comes, categories as their codes."""
    return MissingFiller(keep=True)


def _linear(schema: Schema, scale: bool) -> ColumnTransformer:
    numbers, categories, levels = [], [], []
    position = 0
    for feature in schema.features:
        span = list(range(position, position + feature.width))
        position += feature.width
        if feature.kind == "category":
            categories += span
            levels.append(np.arange(len(feature.levels), dtype=np.float64))
        else:
            numbers += span
    steps: list[tuple[str, Any, list[int]]] = []
    if numbers:
        fill = MissingFiller()
        steps.append(("number", make_pipeline(fill, StandardScaler()) if scale else fill, numbers))
    if categories:
        encoder = OneHotEncoder(categories=levels, handle_unknown="ignore")
        steps.append(("category", encoder, categories))
    return ColumnTransformer(steps)
