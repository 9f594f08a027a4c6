"""Counting values between the cut points of a reference, which is faster than sorting them.

A window that is only to be compared with a reference need not be summarised by quantiles of its
own: it is enough to know how many of its values lie below and at each of the reference's points.
These counts are exact, take one pass, stay in the processor's cache and merge by addition, so
that workers, windows and machines count apart and are told together.

Values are put into equal cells first; all cells without a point are settled by that, and only the
few values that share a cell with a point are sorted. Rounding is monotone, so a value in a cell
before a point's is below the point. Where the points are all the values that the reference had,
most values equal one, which is asked before they are sorted. Missing values have a cell of their
own, and what lies far out is sorted with the rest, so that neither takes another pass.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.monitor.compiled import Loops, loops
from everloop.monitor.profile import (
    Floats,
    Ints,
    NumberSketch,
    Profile,
    Sketch,
    profile,
    sketch_number,
)

CELLS = 1 << 14  # the first is of missing values
OUTER = (1, CELLS - 1)  # of what lies outside the others
LEAST = 1e-150  # width that the cells cover: the square of what is less cannot be told from 0
CHUNK = 1 << 15  # values looked at together
TAIL = 1 / 128  # share of the reference's values on either side that get few cells or none
MARGIN = 0.15  # of the width between them that gets cells on either side
FEW = 1 << 13  # values that are sorted as soon as counted
FAR = 0.01  # of the values outside the reference: then its cuts say too little of the window


@dataclass
class Counts:
    """What was counted of a number; ``within[i]`` values lie between points i - 1 and i, and
    ``at[i]`` equal point i."""

    within: NDArray[np.int64]
    at: NDArray[np.int64]
    missing: int = 0
    infinite: int = 0
    total: float = 0.0  # of the distances from the middle of the reference's cells
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @property
    def n(self) -> int:
        return int(self.within.sum() + self.at.sum())

    @property
    def outside(self) -> int:
        """Values below the first or above the last point."""
        return int(self.within[0] + self.within[-1])

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.within + other.within,
            self.at + other.at,
            self.missing + other.missing,
            self.infinite + other.infinite,
            self.total + other.total,
            self.squares + other.squares,
            min(self.low, other.low),
            max(self.high, other.high),
        )


class _Seen:
    """What one pass has seen so far, and room for the chunk that it looks at."""

    def __init__(self, size: int) -> None:
        self.cells = np.zeros(CELLS, dtype=np.int64)  # how many values each holds
        self.others = np.zeros(CELLS, dtype=np.int64)  # of them, what does not equal a first point
        self.apart: list[Floats] = []  # what shares a cell with a point
        self.total = self.squares = 0.0  # of the places in cells
        self.ends: tuple[float, float] | None = None  # of the values between the outer cells
        self.missing = False
        self._room = np.empty(size), np.empty(size, np.int64), np.empty(size, np.bool_)

    def room(self, size: int) -> tuple[Floats, Ints, NDArray[np.bool_]]:
        place, cell, mark = self._room
        return place[:size], cell[:size], mark[:size]


@dataclass
class Cuts:
    """The points of a reference, made ready to count values between them."""

    reference: NumberSketch
    _points: Floats = field(init=False)
    _middle: float = field(init=False)
    _scale: float = field(init=False)
    _base: float = field(init=False)
    _cell: NDArray[np.int64] = field(init=False)
    _shared: NDArray[np.bool_] = field(init=False)

    @np.errstate(over="ignore", invalid="ignore")
    def __post_init__(self) -> None:
        points = self._points = np.asarray(self.reference.points, dtype=np.float64)
        if not len(points):
            raise ValueError("cuts: a reference without a value has none")
        # What lies between the outer points gets the cells, so that one outlier does not put all
        # values into one; beyond them is little, and that is sorted.
        low, high = self.reference.quantile(np.array([TAIL, 1 - TAIL]))
        margin = MARGIN * (high - low)
        low, high = max(low - margin, points[0]), min(high + margin, points[-1])
        width = float(high) - float(low)  # infinite where it overflows
        if not 0 < width < np.inf:
            width = max(abs(float(low)), 1.0)
        width = max(width, LEAST)
        self._middle = float(low) + width / 2
        self._scale = (CELLS - 3) / width
        # So that what is below has a cell, and the missing one before it.
        self._base = max(float(low) - 2 / self._scale, -sys.float_info.max)
        self._cell = self._places(points, np.empty(len(points))).astype(np.int64)
        self._shared = np.zeros(CELLS, dtype=np.bool_)
        self._shared[self._cell] = True
        self._shared[[*OUTER]] = True
        # The first point of each cell: where it is among the points, and which it is.
        self._lead = np.unique(self._cell, return_index=True)[1]
        self._far = self._lead[np.isin(self._cell[self._lead], OUTER)]
        self._led = np.full(CELLS, np.nan)
        self._led[self._cell[self._lead]] = points[self._lead]

    def empty(self) -> Counts:
        """Nothing counted."""
        size = len(self._points)
        return Counts(np.zeros(size + 1, dtype=np.int64), np.zeros(size, dtype=np.int64))

    @np.errstate(over="ignore", invalid="ignore")
    def count(self, values: Floats) -> Counts:
        """The counts of ``values``; NaN is missing, infinities are set apart."""
        found, seen = self.empty(), _Seen(min(CHUNK, len(values)))
        if compiled := loops(len(values)):
            self._look_compiled(values, seen, compiled)
        else:
            for first in range(0, len(values), CHUNK):
                self._look(values[first : first + CHUNK], seen)
        found.missing, seen.cells[0] = int(seen.cells[0]), 0
        if found.missing < len(values):
            self._tell(values, seen, found)
        return found

    def _look(self, chunk: Floats, seen: _Seen) -> None:
        """Put values into cells, sum up where they lie, and set apart what is near a point."""
        place, cell, mark = seen.room(len(chunk))
        self._places(chunk, place)
        if seen.missing:
            np.fmax(place, 0.0, out=place)
        there = float(place.sum())
        if np.isnan(there):  # the first missing ones
            seen.missing = True
            np.fmax(place, 0.0, out=place)
            there = float(place.sum())
        seen.total += there
        seen.squares += float(place @ place)
        np.copyto(cell, place, casting="unsafe")
        seen.cells += np.bincount(cell, minlength=CELLS)
        if not self.reference.exact:
            self._shared.take(cell, mode="clip", out=mark)
            seen.apart.append(chunk[mark])
            return
        first = self._led.take(cell, mode="clip", out=place)
        np.not_equal(first, chunk, out=mark)
        others, of = chunk[mark], cell[mark]
        near = self._shared[of]  # neither missing nor far from all points
        seen.others += np.bincount(of[near], minlength=CELLS)
        seen.apart.append(others[near])

    def _look_compiled(self, values: Floats, seen: _Seen, compiled: Loops) -> None:
        """As :meth:`_look` at all chunks."""
        apart = np.empty(len(values) + 1)
        near, seen.total, seen.squares, *ends = compiled.by_place(
            np.require(values, np.float64, ["C", "ALIGNED"]),
            self._base,
            self._scale,
            self._shared,
            self._led,
            self.reference.exact,
            seen.cells,
            seen.others,
            apart,
        )
        seen.ends = ends[0], ends[1]
        seen.apart.append(apart[:near])

    def _places(self, values: Floats, out: Floats) -> Floats:
        """Where values lie among the cells, in their order; NaN stays what it is."""
        np.subtract(values, self._base, out=out)
        np.multiply(out, self._scale, out=out)
        return np.clip(out, *OUTER, out=out)

    def _tell(self, values: Floats, seen: _Seen, found: Counts) -> None:
        """From what the pass has seen to what is told."""
        beside = np.sort(np.concatenate(seen.apart))
        low = int(np.searchsorted(beside, -np.inf, side="right"))
        high = int(np.searchsorted(beside, np.inf, side="left"))
        found.infinite = low + len(beside) - high
        hits = np.zeros(len(self._points), dtype=np.int64)
        if self.reference.exact:
            hits[self._lead] = (seen.cells - seen.others)[self._cell[self._lead]]
        self._moments(seen, beside, hits, found)
        seen.cells[[*OUTER]] -= low, len(beside) - high
        if seen.cells.any():
            self._ends(values, seen, hits, beside[low:high], found)
        self._settle(seen.cells, hits, beside[low:high], found)

    def _moments(self, seen: _Seen, beside: Floats, hits: Ints, found: Counts) -> None:
        """From places to distances from the middle; of what lies outside, from the values."""
        place = self._places(beside, np.empty(len(beside)))
        low, high = np.searchsorted(place, [OUTER[0] + 1, OUTER[1]])
        values = np.concatenate([beside[:low], beside[high:], self._points[self._far]])
        times = np.concatenate([np.ones(len(values) - len(self._far)), hits[self._far]])
        place = self._places(values, np.empty(len(values)))
        n = seen.cells.sum() - times.sum()
        total = seen.total - float(times @ place)
        squares = seen.squares - float(times @ place**2)
        middle = (self._middle - self._base) * self._scale
        found.total = (total - n * middle) / self._scale
        squares += (n * middle - 2 * total) * middle
        found.squares = squares / self._scale / self._scale  # the square alone may overflow
        finite = np.isfinite(values)
        apart, times = values[finite] - self._middle, times[finite]
        found.total += float(times @ apart)
        found.squares += float(times @ apart**2)

    def _ends(self, values: Floats, seen: _Seen, hits: Ints, beside: Floats, found: Counts) -> None:
        """Least and largest value; those at and beside points are known, and often hold both."""
        filled = np.flatnonzero(seen.cells)
        if seen.ends or (self._shared[filled[0]] and self._shared[filled[-1]]):
            known = np.concatenate([beside[:1], beside[-1:], self._points[hits > 0]])
            least, largest = seen.ends or (np.inf, -np.inf)
            found.low = float(known.min(initial=least))
            found.high = float(known.max(initial=largest))
            return
        kept = values[np.isfinite(values)] if found.missing or found.infinite else values
        found.low, found.high = float(kept.min()), float(kept.max())

    def _settle(self, cells: Ints, hits: Ints, beside: Floats, found: Counts) -> None:
        """From counts of cells, of values that equal points, and the sorted others beside points,
        to counts between points."""
        apart = np.where(self._shared, 0, cells)
        before = np.concatenate([[0], np.cumsum(apart)])[self._cell]
        below = before + np.cumsum(hits) - hits
        upto = before + np.cumsum(hits) + np.searchsorted(beside, self._points, side="right")
        below += np.searchsorted(beside, self._points, side="left")
        n = int(cells.sum())
        found.at = upto - below
        found.within = np.append(below, n) - np.concatenate([[0], upto])

    def sketch(self, counts: Counts) -> NumberSketch:
        """The sketch that ``counts`` make: exact at the reference's points."""
        n = counts.n
        if not n:
            return NumberSketch(0, counts.missing, counts.infinite, 0.0, 0.0, (), (), ())
        if counts.low == counts.high:
            return self._made(counts, np.array([counts.low]), np.array([0]), np.array([n]))
        upto = np.cumsum(counts.within[:-1] + counts.at)
        below = upto - counts.at
        keep = (self._points >= counts.low) & (self._points <= counts.high)
        points, below, upto = self._points[keep], below[keep], upto[keep]
        # The ends of the window are points too; of values as low or as high one is known.
        if not len(points) or counts.low < points[0]:
            points, below, upto = (
                np.concatenate([[first], rest])
                for first, rest in ((counts.low, points), (0, below), (1, upto))
            )
        if counts.high > points[-1]:
            points, below, upto = (
                np.append(rest, last)
                for last, rest in ((counts.high, points), (n - 1, below), (n, upto))
            )
        return self._made(counts, points, below, upto)

    def _made(
        self, counts: Counts, points: Floats, below: NDArray[Any], upto: NDArray[Any]
    ) -> NumberSketch:
        n, reference = counts.n, self.reference
        shift = counts.total / n
        spread = 0.0 if counts.low == counts.high else counts.squares / n - shift * shift
        return NumberSketch(
            n=n,
            missing=counts.missing,
            infinite=counts.infinite,
            mean=counts.low if counts.low == counts.high else self._middle + shift,
            sd=float(np.sqrt(max(0.0, spread))),
            points=tuple(points.tolist()),
            below=tuple(below.astype(np.int64).tolist()),
            upto=tuple(upto.astype(np.int64).tolist()),
            exact=bool(reference.exact and counts.at.sum() == n),
            rows_per_draw=reference.rows_per_draw,
            missing_per_draw=reference.missing_per_draw,
        )


def profile_against(
    frame: pl.DataFrame, schema: Schema, reference: Profile, answers: Floats | None = None
) -> Profile:
    """As :func:`~everloop.monitor.profile.profile`, numbers by counts at the reference's points.

    Fewer than :data:`FEW` values, and those that lie elsewhere than the reference's, are sorted.
    """
    known = reference.sketches()
    return profile(frame, schema, answers, lambda name, values: near(known.get(name), values))


def near(before: Sketch | None, values: Floats) -> NumberSketch:
    """The sketch of ``values`` that is to be compared with that of ``before``."""
    if len(values) <= FEW or not isinstance(before, NumberSketch) or before.n < 2:
        return sketch_number(values)
    cuts = Cuts(before)
    counts = cuts.count(values)
    strange = counts.n - int(counts.at.sum()) if before.exact else counts.outside
    return sketch_number(values) if strange > FAR * counts.n else cuts.sketch(counts)
