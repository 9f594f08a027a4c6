"""Rows as numbers of one scale, for tests of all features together.

A number becomes the normal score of its rank among the reference's rows, a category a column for
each level that is neither rare nor nearly always there, a text, an image or a sequence its signal.
A missing value is the column's middle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

from everloop.data.encode import encode
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.monitor.profile import Profile
from everloop.monitor.signals import signal

Floats = NDArray[np.float64]

MOST_ROWS = 2_000  # of a sample; more tell little more and cost time
MOST_LEVELS = 10
COMMON = 0.05  # share of the rows that a level needs, with and without it


class Matrix(NamedTuple):
    """``values`` are n rows in time order by d columns; ``features`` says whose each column is.

    ``stretch`` is, for each column, how many consecutive rows of its stream are worth one
    independent row. The ``n`` rows were drawn evenly from ``total`` such rows.
    """

    values: Floats
    features: tuple[str, ...]
    stretch: Floats
    total: int

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def stretches(self) -> Floats:
        """Rows of the sample that are worth one independent row, by column.

        Rows drawn from a longer stream are farther apart and depend less on each other.
        """
        return 1 + (self.stretch - 1) * min(1.0, self.rows / max(self.total, 1))

    @property
    def per_draw(self) -> float:
        """The same of a row as a whole."""
        return float(np.median(self.stretches)) if len(self.stretch) else 1.0

    @property
    def doubt(self) -> float:
        """Standard error of a mean over the sample, in standard deviations of a row."""
        return math.sqrt(self.per_draw / max(self.rows, 1))


def matrices(
    reference: pl.DataFrame, window: pl.DataFrame, schema: Schema, profile: Profile
) -> tuple[Matrix, Matrix]:
    """Both samples with the same columns, scaled by the reference.

    ``reference`` and ``window`` hold the schema's features, in the order of time; at most
    :data:`MOST_ROWS` evenly spaced rows of each are used. ``profile`` is the reference's.
    """
    before, now = _evenly(reference), _evenly(window)
    columns: list[tuple[Floats, Floats, Feature]] = []
    for feature in schema.features:
        try:
            old, new = _raw(before, feature), _raw(now, feature)
        except InvalidInput:  # a value of another kind; the quality checks name it
            continue
        pairs = _levels(old, new, feature) if feature.kind == "category" else _scored(old, new)
        columns += [(a, b, feature) for a, b in pairs]
    names = tuple(feature.name for _, _, feature in columns)
    stretch = np.array([profile.features[name].rows_per_draw for name in names])
    old = np.column_stack([a for a, _, _ in columns]) if columns else np.empty((before.height, 0))
    new = np.column_stack([b for _, b, _ in columns]) if columns else np.empty((now.height, 0))
    return Matrix(old, names, stretch, profile.rows), Matrix(new, names, stretch, window.height)


def _evenly(frame: pl.DataFrame) -> pl.DataFrame:
    if frame.height <= MOST_ROWS:
        return frame
    return frame[np.linspace(0, frame.height - 1, MOST_ROWS).astype(np.int64)]


def _raw(frame: pl.DataFrame, feature: Feature) -> Floats:
    """n by the columns of the feature, NaN for a missing value."""
    if feature.name not in frame.columns:
        return np.full((frame.height, 1 if feature.shape else feature.width), np.nan)
    if feature.shape:
        return signal(frame[feature.name], feature)[:, None]
    return encode(frame.select(feature.name), Schema((feature,), "", "regression"))


def _levels(old: Floats, new: Floats, feature: Feature) -> list[tuple[Floats, Floats]]:
    pairs = []
    for level in range(min(len(feature.levels), MOST_LEVELS)):
        a, b = (old[:, 0] == level).astype(np.float64), (new[:, 0] == level).astype(np.float64)
        share = float(a.mean()) if len(a) else 0.0
        if COMMON <= share <= 1 - COMMON:
            sd = math.sqrt(share * (1 - share))
            pairs.append(((a - share) / sd, (b - share) / sd))
    return pairs


def _scored(old: Floats, new: Floats) -> list[tuple[Floats, Floats]]:
    """Normal scores of ranks among the reference's finite values; constants are left out."""
    pairs = []
    for column in range(old.shape[1]):
        known = np.sort(old[np.isfinite(old[:, column]), column])
        if len(known) < 2 or known[0] == known[-1]:
            continue
        pairs.append((_scores(known, old[:, column]), _scores(known, new[:, column])))
    return pairs


def _scores(known: Floats, values: Floats) -> Floats:
    below = np.searchsorted(known, values, side="left")
    upto = np.searchsorted(known, values, side="right")
    share = ((below + upto) / 2 + 0.5) / (len(known) + 1)
    return np.where(np.isnan(values), 0.0, scipy.special.ndtri(share))
