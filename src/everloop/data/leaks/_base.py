"""What a leakage check is.

A check looks at the rows that train and those that test, and names what makes the test look better
than the model will be. To add one, write a class in a file of its own and register it::

    @leak_checks.register("weekend")
    class Weekend(LeakCheck):
        def find(self, sides: Sides) -> Iterator[Leak]: ...

Obligations. ``find`` never raises for odd data, never changes it, and stays cheap: the sides hold a
sample where the table is large. Each finding is one sentence with its number in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_instant
from everloop.data.encode import encode, encode_target
from everloop.data.schema import Feature, Schema

Level = Literal["leak", "suspect"]

#: Tasks whose target is one column of classes or numbers, which single features can be held to.
SINGLE = frozenset({"regression", "quantile", "binary", "multiclass"})
PLAIN = frozenset({"number", "boolean", "category", "datetime"})


class Leak(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding.

    ``level`` is ``leak`` where the data itself proves it, and ``suspect`` where only a person can
    know. ``value`` is the number behind the sentence: a share, a correlation or an area.
    """

    check: str
    level: Level
    sentence: str
    column: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class Sides:
    """The rows that train and those that test, whole and as samples of at most some thousand.

    Attributes
    ----------
    frame : all rows; ``train`` and ``test`` are their numbers, counted from 0.
    now : milliseconds since 1970, UTC.
    """

    frame: pl.DataFrame
    schema: Schema
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    now: int
    sample: int = 20_000

    @cached_property
    def fitted(self) -> pl.DataFrame:
        """A sample of the training rows."""
        return self.frame[_thinned(self.train, self.sample)]

    @cached_property
    def held(self) -> pl.DataFrame:
        """A sample of the test rows."""
        return self.frame[_thinned(self.test, self.sample)]

    @cached_property
    def targets(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Of the two samples; codes or floats."""
        return encode_target(self.fitted, self.schema), encode_target(self.held, self.schema)

    @property
    def features(self) -> Iterator[Feature]:
        """Those of one value, when the task has a target to hold them to."""
        if self.schema.task in SINGLE:
            yield from (f for f in self.schema.features if f.kind in PLAIN)

    def column(self, feature: Feature) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A feature's values in the two samples; NaN is missing. A datetime is an instant in ms."""
        if feature.name not in self._columns:
            self._columns[feature.name] = self._read(feature)
        return self._columns[feature.name]

    @cached_property
    def _columns(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        return {}  # what every check looks at is read once

    def _read(self, feature: Feature) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if feature.kind == "datetime":
            feature = Feature(feature.name, "number")
        alone = msgspec.structs.replace(self.schema, features=(feature,))
        sides = (self._instants(frame, feature.name) for frame in (self.fitted, self.held))
        fitted, held = (encode(frame, alone)[:, 0] for frame in sides)
        return _missing(fitted, feature), _missing(held, feature)

    def _instants(self, frame: pl.DataFrame, name: str) -> pl.DataFrame:
        kind = next(f.kind for f in self.schema.features if f.name == name)
        if kind != "datetime":
            return frame
        return pl.DataFrame({name: as_instant(frame[name]).dt.epoch("ms")})


class LeakCheck(ABC):
    """One way in which data leaks."""

    @abstractmethod
    def find(self, sides: Sides) -> Iterator[Leak]:
        """What was found, at most one finding a column."""


def _thinned(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of ``rows``, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _missing(values: NDArray[np.float64], feature: Feature) -> NDArray[np.float64]:
    return np.where(values < 0, np.nan, values) if feature.kind == "category" else values
