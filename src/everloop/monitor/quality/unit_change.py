"""A number that arrives in another unit: miles as kilometres, metres as millimetres, °F as °C.

A season also moves a temperature, and so far that some factor will fit. Three kinds of evidence
tell them apart, each with the known map undone:

- *values*: the reference holds few distinct values, some or all of the window's are none of
  them, and undoing the map turns those into known ones;
- *shape*: the whole distribution comes back onto the reference, too different before to be chance
  even for rows that resemble their neighbours;
- *jump*: from the last sound window to this one the values left their range altogether, which
  weather does not, and undoing the map brings them near.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np

from everloop.extensions import quality_checks
from everloop.monitor.drift.kolmogorov_smirnov import largest_gap
from everloop.monitor.profile import Floats, NumberSketch, Sketch
from everloop.monitor.quality._base import Fault, QualityCheck, Recent
from everloop.monitor.quality.units import KNOWN, UnitChange

MIN_ROWS = 50
MIN_DRAWS = 200  # independent rows that a match of shapes takes
CLEAR_GAP = 0.2  # a window nearer than this to the reference or to the last needs no explaining
OUT_OF_RANGE = 0.95  # a gap that leaves next to nothing in common
SHAPE_GAP = 0.1
MIN_SHARE = 0.1  # of the rows with values never seen
RECOVERED = 0.7  # share of strange values that must turn into known ones
PART_GAP = 0.2  # when a part of the rows is strange it must look like the reference once undone
WHOLE = 0.9
SAME_VALUE = 5e-4  # relative; a factor written with four digits still finds its values


class Match(NamedTuple):
    """The best map found, and how well it explains the window."""

    change: UnitChange
    by: Literal["values", "shape", "jump"]
    share: float  # of the rows that came in the other unit
    recovered: float  # of those, the share that undoing the map turns into values known before
    gap_before: float
    gap_after: float


@quality_checks.register("unit_change")
class UnitChangeCheck(QualityCheck):
    """Names the feature, the factor and the likely units; the window goes into quarantine."""

    kinds = ("number",)

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        if not (isinstance(reference, NumberSketch) and isinstance(window, NumberSketch)):
            return None
        if reference.of:  # a length or a brightness has no other unit
            return None
        match = find(reference, window, recent)
        if match is None:
            return None
        change, part = match.change, match.share < WHOLE
        where = f" in {match.share:.0%} of the rows" if part else ""
        middle = np.array([0.5])
        return Fault(
            check="unit_change",
            summary=f"{feature} looks {change.phrase()}{where}",
            quarantine=True,
            evidence={
                "factor": change.factor,
                "offset": change.offset,
                "units": change.name,
                "by": match.by,
                "share": round(match.share, 4),
                "recovered": round(match.recovered, 4),
                "gap_before": round(match.gap_before, 4),
                "gap_after": round(match.gap_after, 4),
                "median_before": reference.quantile(middle).item(),
                "median_now": window.quantile(middle).item(),
            },
        )


def find(reference: NumberSketch, window: NumberSketch, recent: Recent) -> Match | None:
    """The map that explains ``window``, or None when it needs no explaining or has none."""
    before, now = without_zeros(reference), without_zeros(window)
    if before.n < MIN_ROWS or now.n < MIN_ROWS:
        return None
    if (
        largest_gap(before, now) < CLEAR_GAP
        and _unknown(_values([before]), now).n < MIN_SHARE * now.n
    ):
        return None
    last = recent()
    bases = [before]
    if isinstance(last, NumberSketch):
        near = without_zeros(last)
        bases += [near] if near.n >= MIN_ROWS else []
    return by_values(bases, now) or by_distribution(bases, now)


def by_values(bases: list[NumberSketch], now: NumberSketch) -> Match | None:
    """The map that turns values never seen before into known ones; all of the rows or a part."""
    values = _values(bases)
    strange = _unknown(values, now)
    share = strange.n / now.n
    if share < MIN_SHARE or strange.n < MIN_ROWS:
        return None
    if len(strange.points) < (3 if share > WHOLE else 8):
        return None
    gap = _nearest(bases, strange)
    found: list[Match] = []
    for change in KNOWN:
        undone = _undo(change, strange, values)
        recovered = 1 - _unknown(values, undone).n / strange.n
        if recovered >= RECOVERED:
            after = _nearest(bases, undone)
            if after <= (gap / 2 if share > WHOLE else PART_GAP):
                found.append(Match(change, "values", share, recovered, gap, after))
    return max(found, key=lambda match: (match.recovered, -match.gap_after), default=None)


def by_distribution(bases: list[NumberSketch], now: NumberSketch) -> Match | None:
    """The map that brings the whole distribution back."""
    gap = _nearest(bases, now)
    if gap < CLEAR_GAP or min(len(now.points), *(len(base.points) for base in bases)) < 5:
        return None
    draws = min(bases[-1].n, now.n) / bases[-1].rows_per_draw
    if gap < OUT_OF_RANGE and draws < MIN_DRAWS:
        return None
    values = _values(bases)
    found: list[Match] = []
    for change in KNOWN:
        after = _nearest(bases, _undo(change, now, values))
        if after <= min(SHAPE_GAP, gap / 3) and draws >= MIN_DRAWS:
            found.append(Match(change, "shape", 1.0, 0.0, gap, after))
        elif gap >= OUT_OF_RANGE and after <= gap / 2 and (len(bases) == 2 or _large(change)):
            found.append(Match(change, "jump", 1.0, 0.0, gap, after))
    return min(found, key=lambda match: match.gap_after, default=None)


def without_zeros(sketch: NumberSketch) -> NumberSketch:
    """The sketch of the values that are not 0, which no factor moves."""
    points = np.asarray(sketch.points)
    zero = np.flatnonzero(points == 0)
    if not len(zero):
        return sketch
    i = int(zero[0])
    zeros = sketch.upto[i] - sketch.below[i]
    drop = np.where(np.arange(len(points)) > i, zeros, 0)
    return msgspec.structs.replace(
        sketch,
        n=sketch.n - zeros,
        points=tuple(np.delete(points, i).tolist()),
        below=tuple(np.delete(sketch.below - drop, i).tolist()),
        upto=tuple(np.delete(sketch.upto - drop, i).tolist()),
    )


def _undo(change: UnitChange, sketch: NumberSketch, values: Floats) -> NumberSketch:
    """The sketch with the map undone; what lands beside a known value is taken for it."""
    points = (np.asarray(sketch.points) - change.offset) / change.factor
    if len(values):
        near = _neighbour(values, points)
        points = np.where(np.abs(near - points) <= SAME_VALUE * np.abs(points), near, points)
    first = np.flatnonzero(np.diff(points, prepend=-np.inf) > 0)
    last = np.append(first[1:], len(points)) - 1
    return msgspec.structs.replace(
        sketch,
        points=tuple(points[first].tolist()),
        below=tuple(sketch.below[i] for i in first),
        upto=tuple(sketch.upto[i] for i in last),
    )


def _nearest(bases: list[NumberSketch], sketch: NumberSketch) -> float:
    return min(largest_gap(base, sketch) for base in bases)


def _unknown(values: Floats, sketch: NumberSketch) -> NumberSketch:
    """The part of the sketch outside the known ``values``; none where these are not known."""
    points = np.asarray(sketch.points)
    if len(values) and sketch.exact:
        away = np.abs(_neighbour(values, points) - points)
        keep = away > SAME_VALUE * np.abs(points)
    else:
        keep = np.zeros(len(points), dtype=bool)
    counts = (np.asarray(sketch.upto) - np.asarray(sketch.below))[keep]
    upto = np.cumsum(counts)
    return msgspec.structs.replace(
        sketch,
        n=int(counts.sum()),
        points=tuple(points[keep].tolist()),
        below=tuple((upto - counts).tolist()),
        upto=tuple(upto.tolist()),
    )


def _values(bases: list[NumberSketch]) -> Floats:
    """Every value that the bases hold, of those that keep all."""
    return np.unique(np.concatenate([[], *(base.points for base in bases if base.exact)]))


def _neighbour(values: Floats, points: Floats) -> Floats:
    right = np.clip(np.searchsorted(values, points), 0, len(values) - 1)
    left = np.clip(right - 1, 0, None)
    closer = np.abs(values[left] - points) < np.abs(values[right] - points)
    return np.where(closer, values[left], values[right])


def _large(change: UnitChange) -> bool:
    return not change.offset and not 1 / 9 < change.factor < 9
