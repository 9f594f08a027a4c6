"""Rows as numbers of one scale, for tests of all features together.

A number becomes the normal score of its rank among the reference's rows, a category a column for
each level that is neither rare nor nearly always there, a text, an image or a sequence its signal.
A missing value is the column's middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    independent row. The ``n`` rows were drawn evenly from ``total`` such rows. ``kept`` is what was
    found of a reference that comes again with the next window.
    """

    values: Floats
    features: tuple[str, ...]
    stretch: Floats
    total: int
    kept: dict[bytes, Floats] | None = None

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
    known, now = _known(reference), _evenly(window)
    told: list[str] = []
    columns: list[Floats] = []
    together = _raw_numbers(now, schema.features)
    for feature in schema.features:
        try:
            scales = known.scales(feature)
            raw = together[feature] if feature in together else _raw(now, feature)
        except InvalidInput:  # a value of another kind; the quality checks name it
            continue
        told.append(feature.name)
        columns += [scale.apply(raw) for scale in scales]
    names, old = known.values(tuple(told))
    stretch = np.array([profile.features[name].rows_per_draw for name in names])
    new = np.column_stack(columns) if columns else np.empty((now.height, 0))
    before = Matrix(old, names, stretch, profile.rows, known.kept)
    return before, Matrix(new, names, stretch, window.height)


class _Level(NamedTuple):
    """Whether a category has a level, in standard deviations of the reference."""

    code: int
    share: float

    def apply(self, raw: Floats) -> Floats:
        sd = math.sqrt(self.share * (1 - self.share))
        found: Floats = ((raw[:, 0] == self.code) - self.share) / sd
        return found


class _Ranks(NamedTuple):
    """The normal score of a number's rank among ``known``, the reference's sorted values."""

    column: int
    known: Floats

    def apply(self, raw: Floats) -> Floats:
        values = raw[:, self.column]
        below = np.searchsorted(self.known, values, side="left")
        upto = np.searchsorted(self.known, values, side="right")
        share = ((below + upto) / 2 + 0.5) / (len(self.known) + 1)
        found: Floats = np.where(np.isnan(values), 0.0, scipy.special.ndtri(share))
        return found


class _Known:
    """The rows of a reference, each feature read and scaled once; windows come one by one."""

    def __init__(self, reference: pl.DataFrame) -> None:
        self.reference, self.rows = reference, _evenly(reference)
        self._scales: dict[Feature, list[_Level | _Ranks]] = {}
        self._columns: dict[str, list[Floats]] = {}
        self._values: tuple[tuple[str, ...], tuple[tuple[str, ...], Floats]] | None = None
        self.kept: dict[bytes, Floats] = {}

    def scales(self, feature: Feature) -> list[_Level | _Ranks]:
        """Of each column of a feature; raises InvalidInput for values of another kind."""
        if feature not in self._scales:
            raw = _raw(self.rows, feature)
            found = _levels(raw, feature) if feature.kind == "category" else _scored(raw)
            self._columns[feature.name] = [scale.apply(raw) for scale in found]
            self._scales[feature] = found
        return self._scales[feature]

    def values(self, told: tuple[str, ...]) -> tuple[tuple[str, ...], Floats]:
        """Whose each column is, and the columns of these features beside each other: the same
        array as long as it is the same features."""
        if self._values is None or self._values[0] != told:
            columns = [(name, one) for name in told for one in self._columns[name]]
            stacked = np.column_stack([one for _, one in columns]) if columns else None
            none = np.empty((self.rows.height, 0))
            names = tuple(name for name, _ in columns)
            self._values, self.kept = (told, (names, none if stacked is None else stacked)), {}
        return self._values[1]


_newest: list[_Known] = []


def _known(reference: pl.DataFrame) -> _Known:
    if not _newest or _newest[0].reference is not reference:
        _newest[:] = [_Known(reference)]
    return _newest[0]


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


def _raw_numbers(frame: pl.DataFrame, features: Sequence[Feature]) -> dict[Feature, Floats]:
    """The same of all numbers at once, which is quicker; of none where one is of another kind."""
    plain = [f for f in features if f.kind == "number" and f.name in frame.columns]
    try:
        values = encode(frame, Schema(tuple(plain), "", "regression"))
    except InvalidInput:
        return {}
    return {feature: values[:, [i]] for i, feature in enumerate(plain)}


def _levels(old: Floats, feature: Feature) -> list[_Level | _Ranks]:
    found: list[_Level | _Ranks] = []
    for level in range(min(len(feature.levels), MOST_LEVELS)):
        share = float((old[:, 0] == level).mean()) if len(old) else 0.0
        if COMMON <= share <= 1 - COMMON:
            found.append(_Level(level, share))
    return found


def _scored(old: Floats) -> list[_Level | _Ranks]:
    """Of ranks among the reference's finite values; constants are left out."""
    found: list[_Level | _Ranks] = []
    for column in range(old.shape[1]):
        known = np.sort(old[np.isfinite(old[:, column]), column])
        if len(known) >= 2 and known[0] < known[-1]:
            found.append(_Ranks(column, known))
    return found
