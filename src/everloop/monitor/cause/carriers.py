"""Which segments carry a change: levels of features, and who sent or answered the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import scipy

from everloop.errors import EverloopError
from everloop.monitor.cause.levels import Levels
from everloop.monitor.profile import Floats, Ints

Change = Callable[[Ints, Ints], float]
"""How much changed between some rows before and some rows after, by their numbers."""

FEWEST = 30  # rows of a segment after the change
MOST_SHARE = 0.9  # of the rows; what nearly all rows belong to is no segment
TESTED = 6  # segments whose error is measured
BLOCKS = 10
LEVEL = 0.05  # chance that any segment is named where the change is everywhere
LEAST = 0.1  # of the change, beyond the segment's share of the rows


class Carrier(msgspec.Struct, frozen=True):
    """A segment without which the change would be smaller by ``part`` (of 1), with its error.

    ``share`` is its share of the rows after the change, ``rows`` their number.
    """

    column: str
    segment: str
    part: float
    error: float
    share: float
    rows: int


class _Found(NamedTuple):
    column: str
    segment: str
    before: Ints  # rows outside it
    after: Ints
    part: float
    share: float
    rows: int


def carriers(
    change: Change, before: int, after: int, columns: Mapping[str, tuple[Levels, Levels]]
) -> list[Carrier]:
    """The segments that carry more of a change than their share of the rows, most first.

    Each level is left out on both sides; its part is what of the change is then gone. It is named
    when that is more than its share of rows by :data:`LEAST` and beyond the error of leaving out
    one block of rows at a time, at a level that is divided among all segments (Bonferroni).
    ``before`` and ``after`` are numbers of rows.
    """
    everything = np.arange(before), np.arange(after)
    whole = _measured(change, *everything)
    if whole is None or whole <= 0:
        return []
    found = [
        one
        for column, sides in columns.items()
        for one in _segments(column, sides, change, whole, after)
    ]
    bound = float(-scipy.special.ndtri(LEVEL / max(1, len(found))))
    found.sort(key=lambda one: one.share - one.part)
    named: list[Carrier] = []
    for one in found[:TESTED]:
        error = _error(change, one, before, after)
        if one.part - one.share > max(LEAST, bound * error):
            named.append(
                Carrier(one.column, one.segment, round(one.part, 3), round(error, 3),
                        round(one.share, 3), one.rows)
            )  # fmt: skip
    return sorted(named, key=lambda one: one.share - one.part)


def _segments(
    column: str, sides: tuple[Levels, Levels], change: Change, whole: float, after: int
) -> Iterator[_Found]:
    old, new = sides
    for code, name in enumerate(new.names):
        inside = new.codes == code
        rows = int(inside.sum())
        if not FEWEST <= rows <= MOST_SHARE * after:
            continue
        left = np.flatnonzero(old.codes != code), np.flatnonzero(~inside)
        remains = _measured(change, *left)
        if remains is not None:
            yield _Found(column, name, *left, 1 - remains / whole, rows / after, rows)


def _error(change: Change, one: _Found, before: int, after: int) -> float:
    """Standard error of a segment's part, by the delete-a-block jackknife on either side."""
    total = 0.0
    for side, rows in enumerate((before, after)):
        parts: list[float] = []
        for left in range(BLOCKS):
            kept = np.arange(rows) * BLOCKS // rows != left
            every = [np.arange(before), np.arange(after)]
            outside = [one.before, one.after]
            every[side] = every[side][kept]
            outside[side] = outside[side][kept[outside[side]]]
            whole, remains = _measured(change, *every), _measured(change, *outside)
            if whole is None or remains is None or whole == 0:
                return float("inf")
            parts.append(1 - remains / whole)
        values: Floats = np.array(parts)
        total += (BLOCKS - 1) / BLOCKS * float(((values - values.mean()) ** 2).sum())
    return float(np.sqrt(total))


def _measured(change: Change, before: Ints, after: Ints) -> float | None:
    """None where it is undefined, as without rows or with one class only."""
    if not len(before) or not len(after):
        return None
    try:
        value = change(before, after)
    except (EverloopError, ValueError, ArithmeticError):
        return None
    return value if np.isfinite(value) else None
