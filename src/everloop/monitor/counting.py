"""A stream counted against a reference: constant memory, exact counts, merged by addition.

This is the fast way to compare: many workers each count the rows they see, and the sums are told as
one profile. What lies elsewhere than the reference's values is counted as such, but keeps no shape
of its own (:func:`~everloop.monitor.cuts.profile_against` sorts it, with the rows in memory).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from everloop.data.columns import is_text
from everloop.monitor.cuts import Counts, Cuts
from everloop.monitor.encoding import count_levels, level_codes
from everloop.monitor.profile import (
    CategorySketch,
    NumberSketch,
    Profile,
    Sketch,
    unseen_examples,
)
from everloop.monitor.summaries.columns import kind_of_column, measure


class Counting:
    """Rows seen so far, by the points and the levels of ``reference``.

    >>> import numpy as np, polars as pl
    >>> from everloop.monitor.profile import sketch_number
    >>> rows = pl.DataFrame({"x": np.arange(1000.0)})
    >>> reference = Profile(1000, {"x": sketch_number(rows["x"].to_numpy())})
    >>> one, two = Counting(reference), Counting(reference)
    >>> one.add(rows[:400])
    >>> two.add(rows[400:])
    >>> round((one + two).profile().features["x"].mean, 9)
    499.5
    """

    def __init__(self, reference: Profile) -> None:
        self.reference = reference
        self.rows = 0
        self._cuts = {
            name: Cuts(sketch)
            for name, sketch in reference.features.items()
            if isinstance(sketch, NumberSketch) and sketch.n
        }
        self._counts: dict[str, Counts] = {n: cuts.empty() for n, cuts in self._cuts.items()}
        self._levels: dict[str, CategorySketch] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Count the next rows; a column that is not there is missing in them."""
        for name, cuts in self._cuts.items():
            if name in frame.columns:
                numbers = measure(frame[name], kind_of_column(frame[name]))
                values = numbers.cast(pl.Float64, strict=False).to_numpy()
                self._counts[name] += cuts.count(values)
            else:
                self._counts[name].missing += frame.height
        for name, before in self.reference.features.items():
            if isinstance(before, CategorySketch):
                column = frame[name] if name in frame.columns else _nothing(frame.height)
                text = column if is_text(column) else column.cast(pl.String)
                seen = _counted(text, before)
                self._levels[name] = _sum(self._levels.get(name), seen)
        self.rows += frame.height

    def __add__(self, other: Counting) -> Counting:
        """The rows of both, which count against the same reference."""
        if other.reference.digest != self.reference.digest:
            raise ValueError("counts: are of two references, and cannot be added")
        both = Counting(self.reference)
        both.rows = self.rows + other.rows
        both._counts = {name: self._counts[name] + other._counts[name] for name in self._counts}
        for levels in (self._levels, other._levels):
            for name, seen in levels.items():
                both._levels[name] = _sum(both._levels.get(name), seen)
        return both

    def outside(self, name: str) -> float:
        """The share of a number's values that the reference's points say little of."""
        counts = self._counts[name]
        exact = self._cuts[name].reference.exact
        strange = counts.n - int(counts.at.sum()) if exact else counts.outside
        return strange / max(counts.n, 1)

    def profile(self) -> Profile:
        """What was counted, as drift tests and checks take it."""
        features: dict[str, Sketch] = {}
        for name in self.reference.features:
            if name in self._cuts:
                features[name] = self._cuts[name].sketch(self._counts[name])
            elif name in self._levels:
                features[name] = self._levels[name]
        return Profile(self.rows, features)


def _counted(column: pl.Series, before: CategorySketch) -> CategorySketch:
    """How often each level of ``before`` comes; what else comes is unseen."""
    missing, unseen, counts = count_levels(column, before.levels)
    return CategorySketch(
        n=len(column) - missing,
        missing=missing,
        levels=before.levels,
        counts=counts,
        unseen=unseen,
        examples=unseen_examples(column, level_codes(column, before.levels)) if unseen else (),
        rows_per_draw=before.rows_per_draw,
        missing_per_draw=before.missing_per_draw,
    )


def _nothing(rows: int) -> pl.Series:
    return pl.repeat(None, rows, dtype=pl.String, eager=True)


def _sum(one: CategorySketch | None, two: CategorySketch) -> CategorySketch:
    if one is None:
        return two
    return CategorySketch(
        n=one.n + two.n,
        missing=one.missing + two.missing,
        levels=one.levels,
        counts=tuple(np.add(one.counts, two.counts).tolist()),
        unseen=one.unseen + two.unseen,
        examples=tuple(dict.fromkeys((*one.examples, *two.examples)))[:5],
        rows_per_draw=max(one.rows_per_draw, two.rows_per_draw),
        missing_per_draw=max(one.missing_per_draw, two.missing_per_draw),
    )
