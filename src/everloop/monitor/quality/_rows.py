"""What a check of a window's rows promises.

It looks at the rows themselves, all features together, and returns its faults by name: that of a
feature, or one in brackets. As a check of a feature it keeps no state, says nothing when there is
too little to tell, and never raises for rows that are empty or of one value. A fault quarantines
only where training on the rows would do harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import polars as pl

from everloop.data.schema import Schema
from everloop.monitor.profile import Sketch
from everloop.monitor.quality._base import Fault, QualityCheck, Recent
from everloop.monitor.quality.expectations import Expectations

MIN_ROWS = 10  # that must break an expectation
SHARE = 0.01  # of the rows, the same


class WindowRows(NamedTuple):
    """The rows of a window, and what to hold them against.

    Attributes
    ----------
    ids : of the rows.
    features : the schema's features under their own names, typed.
    start, end : of the window, in ms.
    before : ``(start, rows)`` of sound windows before it, newest first.
    repeated : the shares of ids that came again in sound windows before it, newest first.
    misfits : on demand, feature -> how many values are of another kind, and some of them.
    strays : on demand, column that is no feature -> how many rows came with it.
    """

    ids: pl.Series
    features: pl.DataFrame
    schema: Schema
    expected: Expectations
    start: int
    end: int
    before: list[tuple[int, int]]
    misfits: Callable[[], dict[str, tuple[int, list[str]]]]
    strays: Callable[[], dict[str, int]] = dict
    repeated: Sequence[float] = ()


class RowsCheck(QualityCheck):
    """Base class; ``any_size``: also windows with too few rows for all other checks."""

    any_size = False

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        return None

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        """The faults by name."""
        raise NotImplementedError


def many(count: int, rows: int) -> bool:
    """Whether so many of the rows are more than a stray few."""
    return count >= MIN_ROWS and count >= SHARE * rows
