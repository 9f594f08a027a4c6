"""The transformer in front of an estimator, by what kind of algorithm it is.

Each is a function of a schema; a candidate names one as ``module:name``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from everloop.data.schema import Schema
from everloop.train.preparation.missing import MissingFiller


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
