"""The transformer in front of an estimator, by what kind of algorithm it is.

Each is a function of a schema; a candidate names one as ``module:name``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._step import spans
from everloop.train.preparation.missing import MissingFiller
from everloop.train.preparation.pixels import Pixels
from everloop.train.preparation.single import Single
from everloop.train.preparation.steps import ScaledSteps
from everloop.train.preparation.texts import WordWeights

TREE_WORDS = 512  # of a text that trees look at, the most frequent; they split on few


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


def numbers_first(schema: Schema) -> Any:
    """For linear models that scale numbers themselves: filled, before all other columns."""
    return _linear(schema, scale=False)


def scaled_codes(schema: Schema) -> Any:
    """For trees that grow by events: numbers filled and scaled, then categories as their codes."""
    numbers, categories = (
        [c for f, columns in spans(schema) if (f.kind == "category") is kind for c in columns]
        for kind in (False, True)
    )
    scaled = make_pipeline(MissingFiller(), StandardScaler())
    if not categories:
        return scaled
    if not numbers:
        return MissingFiller()
    steps = [("number", scaled, numbers), ("category", MissingFiller(), categories)]
    return ColumnTransformer(steps)


def filled_codes(schema: Schema) -> Any:
    """For trees that cannot see NaN: numbers filled, categories as their codes, float32.

    Of a text they see the weights of its 512 most frequent words, or of all that are hashed.
    """
    if not _texts(schema):
        return MissingFiller(float32=True)
    return make_pipeline(_with_words(schema, MissingFiller()), Single())


def native_codes(schema: Schema) -> Any:
    """For trees that handle NaN themselves: as it comes, categories as their codes.

    Of a text they see what :func:`filled_codes` shows. Sparse when texts dominate.
    """
    if not _texts(schema):
        return MissingFiller(keep=True)
    return _with_words(schema, MissingFiller(keep=True))


def dense_codes(schema: Schema) -> Any:
    """The same, never sparse, for those that cannot read it: 4 kB a row of words, 33 kB of hashed
    ones."""
    if not _texts(schema):
        return MissingFiller(keep=True)
    return _with_words(schema, MissingFiller(keep=True), dense=True)


def _linear(schema: Schema, scale: bool) -> Any:
    numbers, categories, levels = [], [], []
    steps: list[tuple[str, Any, list[int]]] = []
    for place, (feature, span) in enumerate(spans(schema)):
        if feature.kind == "category":
            categories += span
            levels.append(np.arange(len(feature.levels), dtype=np.float64))
        elif feature.shape:
            steps.append((f"{feature.kind}.{place}", _of_kind(feature), span))
        else:
            numbers += span
    if categories:
        encoder = OneHotEncoder(categories=levels, handle_unknown="ignore")
        steps.insert(0, ("category", encoder, categories))
    if numbers:
        fill = MissingFiller()
        front = make_pipeline(fill, StandardScaler()) if scale else fill
        if len(numbers) == schema.width:
            return front  # nothing to divide, and nothing to copy for it
        steps.insert(0, ("number", front, numbers))
    return ColumnTransformer(steps)


def _of_kind(feature: Feature) -> Any:
    if feature.kind == "text":
        return WordWeights(feature.vocabulary)
    return Pixels() if feature.kind == "image" else ScaledSteps(feature.shape[1])


def _with_words(schema: Schema, rest: Any, dense: bool = False) -> ColumnTransformer:
    steps: list[tuple[str, Any, list[int]]] = []
    others: list[int] = []
    for place, (feature, span) in enumerate(spans(schema)):
        if feature.kind == "text":
            most = None if feature.tokens == "hashed" else TREE_WORDS
            words = WordWeights(feature.vocabulary, most, dense)
            steps.append((f"text.{place}", words, span))
        else:
            others += span
    if others:
        steps.insert(0, ("other", rest, others))
    return ColumnTransformer(steps)


def _texts(schema: Schema) -> bool:
    return any(feature.kind == "text" for feature in schema.features)
