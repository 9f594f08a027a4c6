"""The constant-size summary of a table that windows are compared with.

A champion's training rows are profiled once; the profile travels in its package as
``profile.json``, so that drift is always measured from what the champion was trained on, with no
raw data at hand. A number keeps exact counts below and up to some hundred of its quantiles (every
value, when there are few); a category keeps the count of each level. Both keep ``rows_per_draw``:
rows that follow each other in time resemble each other, so 6,500 rows of one week may be worth
only some hundred independent ones, and a test that forgets it cries wolf.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from everloop.data.columns import as_text, hours, is_text
from everloop.data.merge import by_time
from everloop.data.schema import Feature, Schema
from everloop.errors import Integrity
from everloop.monitor.aspects.languages import LANGUAGES
from everloop.monitor.aspects.naming import aspect_name
from everloop.monitor.dependence import rows_per_draw
from everloop.monitor.encoding import MISSING, UNSEEN, Codes, count_values, level_codes, tally
from everloop.monitor.signals import MEANT, aspects, signal
from everloop.monitor.summaries.vectors import sketch_vectors
from everloop.monitor.vectors import VectorSketch

POINTS = 129  # quantiles kept of a number; an empirical distribution is known to 1/128 between them
EXACT = 512  # a number with no more distinct values than this keeps all of them
_CHUNK = 1 << 15  # values compared at a time, which stay in the processor's cache
THREADS = 2  # NumPy sorts without holding the interpreter
PREDICTION = "(prediction)"  # the name under which answers are profiled and alerted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class NumberSketch(
    msgspec.Struct, tag="number", tag_field="kind", frozen=True, dict=True, cache_hash=True
):
    """A number's distribution: ``below[i]`` values are < ``points[i]``, ``upto[i]`` are <= it."""

    n: int  # finite values
    missing: int
    infinite: int
    mean: float
    sd: float
    points: tuple[float, ...]  # rising
    below: tuple[int, ...]
    upto: tuple[int, ...]
    exact: bool = True  # whether ``points`` holds every value there was
    rows_per_draw: float = 1.0
    missing_per_draw: float = 1.0  # the same of being missing
    of: str = ""  # the aspect that the numbers tell, where they are not the values themselves

    @property
    def rows(self) -> int:
        return self.n + self.missing + self.infinite

    @cached_property
    def steps(self) -> tuple[Floats, Floats, Floats]:
        """The points, and the shares of values below and up to each."""
        below, upto = (np.array(counts) / self.n for counts in (self.below, self.upto))
        return np.array(self.points), below, upto

    def cdf(self, x: Floats) -> tuple[Floats, Floats]:
        """F(x-) and F(x) of the profiled values; exact at ``points``, linear between them."""
        points, below, upto = self.steps
        right = points.searchsorted(x, side="right")
        i, j = np.maximum(right - 1, 0), np.minimum(right, len(points) - 1)
        here, floor = points[i], upto[i]
        gap = points[j] / 2 - here / 2  # halves, whose difference is always a float
        share = (x / 2 - here / 2) / np.where(gap > 0, gap, 1.0)
        between = floor + share.clip(0.0, 1.0) * np.maximum(below[j] - floor, 0.0)
        between[right == 0] = 0.0
        between[right == len(points)] = 1.0
        hit = here == x
        return np.where(hit, below[i], between), np.where(hit, floor, between)

    def quantile(self, q: Floats) -> Floats:
        """The values at the probabilities ``q``, the smallest point that reaches each."""
        points, _, upto = self.steps
        index = upto.searchsorted(np.asarray(q) - 1e-12, side="left")
        return points[np.minimum(index, len(points) - 1)]


class CategorySketch(msgspec.Struct, tag="category", tag_field="kind", frozen=True):
    """A category's (or boolean's) counts; ``unseen`` are values outside the schema's levels."""

    n: int  # values that are present, unseen ones too
    missing: int
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    unseen: int = 0
    examples: tuple[str, ...] = ()  # of unseen values, most frequent first
    rows_per_draw: float = 1.0
    missing_per_draw: float = 1.0  # the same of being missing

    @property
    def rows(self) -> int:
        return self.n + self.missing


Sketch = NumberSketch | CategorySketch | VectorSketch
Numbers = Callable[[str, Floats], NumberSketch]


def kind_of(sketch: Sketch) -> str:
    """``number``, ``category`` or ``vector``, as tests and checks name what they take."""
    if isinstance(sketch, VectorSketch):
        return "vector"
    return "number" if isinstance(sketch, NumberSketch) else "category"


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sketches by feature name, and of the answers once they are known.

    ``aspects`` are what else texts, images and lists of numbers are looked at for, under names as
    ``review (language)``.
    """

    rows: int
    features: dict[str, Sketch]
    prediction: Sketch | None = None
    aspects: dict[str, Sketch] = {}
    format: int = 1

    def sketches(self) -> dict[str, Sketch]:
        """Features, their aspects, then the answers under :data:`PREDICTION`."""
        answers = {} if self.prediction is None else {PREDICTION: self.prediction}
        return self.features | self.aspects | answers

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.to_json()).hexdigest()


def read_profile(data: bytes) -> Profile:
    """The profile in ``profile.json``. Raises :class:`~everloop.errors.Integrity` if it is none."""
    try:
        return msgspec.json.decode(data, type=Profile)
    except msgspec.DecodeError as error:
        raise Integrity(f"profile.json: is not a profile ({error}).", path="profile.json") from None


def profile(
    frame: pl.DataFrame,
    schema: Schema,
    answers: Floats | None = None,
    numbers: Numbers | None = None,
) -> Profile:
    """Summarise ``frame`` in one pass per column.

    Parameters
    ----------
    frame : rows with the schema's features; one that is absent counts as all missing. With the
        schema's time column present rows are taken in its order, else in the order given.
    answers : one value per row *of any set of rows*: the probability of the last class, the class
        code of a multiclass model, how many labels a row has, or the number predicted. Held-out
        rows, not training rows.
    numbers : makes the sketch of a number from its name and values, by default
        :func:`sketch_number`.
    """
    numbers = numbers or _by_itself
    frame = by_time(frame, schema.time)
    with ThreadPoolExecutor(THREADS) as pool:
        sketches = pool.map(partial(_sketch, frame, numbers), schema.features)
        features = {f.name: s for f, s in zip(schema.features, sketches, strict=True)}
    beside = {
        name: sketch
        for feature in schema.features
        if feature.shape and feature.name in frame.columns
        for name, sketch in _beside(frame[feature.name], feature, numbers).items()
    }
    answered = None if answers is None else sketch_answers(answers, schema, numbers)
    return Profile(frame.height, features, answered, beside)


def _beside(column: pl.Series, feature: Feature, numbers: Numbers) -> dict[str, Sketch]:
    """The aspects of a text, an image or a list, see :mod:`everloop.monitor.signals`."""
    found: dict[str, Sketch] = {}
    for aspect, values in aspects(column, feature).items():
        name = aspect_name(feature.name, aspect)
        if isinstance(values, pl.Series):
            found[name] = sketch_category(values, LANGUAGES)
        elif values.ndim == 2:
            found[name] = sketch_vectors(values)
        else:
            found[name] = replace(numbers(name, values), of=aspect)
    return found


def sketch_answers(answers: Floats, schema: Schema, numbers: Numbers | None = None) -> Sketch:
    """The sketch of a model's answers, see :func:`profile`."""
    values = np.asarray(answers, dtype=np.float64)
    if schema.task != "multiclass":
        return (numbers or _by_itself)(PREDICTION, values)
    codes = np.where(np.isfinite(values), values, -2).astype(np.int64)
    return _from_codes(codes, tuple(str(c) for c in schema.classes), ())


def sketch_labels(labels: NDArray[Any], schema: Schema) -> Sketch | None:
    """The sketch of known labels by time: n class codes or numbers, or n by k of 0 and 1.

    None of rewards, which come from what was answered.
    """
    if schema.task in ("bandit", "policy"):
        return None
    if labels.ndim == 2:
        return sketch_number(label_counts(labels))
    if schema.numeric_labels or not schema.classes:
        return sketch_number(labels.astype(np.float64))
    return _from_codes(labels.astype(np.int64), tuple(str(c) for c in schema.classes), ())


def label_counts(labels: Floats) -> Floats:
    """How many labels each row has, of n by k of 0 and 1: what answers of several labels are
    profiled by. NaN where a row has NaN."""
    return np.asarray(labels.sum(axis=1), dtype=np.float64)


def sketch_number(values: Floats) -> NumberSketch:
    """The sketch of float64 ``values`` in time order; NaN is missing, infinities are set apart."""
    ordered = np.sort(values)  # missing ones last, infinite ones at the ends
    low, high, present = np.searchsorted(ordered, [-np.inf, np.inf, np.nan], side="left")
    low = np.searchsorted(ordered, -np.inf, side="right")
    missing, infinite = len(values) - int(present), int(low + present - high)
    ordered = ordered[low:high]
    if not len(ordered):
        return NumberSketch(0, missing, infinite, 0.0, 0.0, (), (), ())
    points = _distinct(ordered, EXACT)
    exact = points is not None
    if points is None:
        index = np.linspace(0, len(ordered) - 1, POINTS).round().astype(np.int64)
        points = np.unique(ordered[index])
    below = np.searchsorted(ordered, points, side="left")
    upto = np.searchsorted(ordered, points, side="right")
    kept = values[np.isfinite(values)] if missing or infinite else values
    mean = mean_of(ordered)
    return NumberSketch(
        n=len(ordered),
        missing=missing,
        infinite=infinite,
        mean=mean,
        sd=_spread(ordered, mean),
        points=tuple(points.tolist()),
        below=tuple(below.tolist()),
        upto=tuple(upto.tolist()),
        exact=exact,
        rows_per_draw=_per_draw(kept, ordered),
        missing_per_draw=_missing_per_draw(np.isnan(values)) if missing else 1.0,
    )


def mean_of(values: Floats) -> float:
    """The mean, also of values whose sum is beyond the largest float."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values.mean())
    return mean if math.isfinite(mean) else float((values / len(values)).sum())


def _spread(values: Floats, mean: float) -> float:
    """The standard deviation around ``mean``; squares end at the largest float."""
    squares, away = 0.0, np.empty(min(_CHUNK, len(values)))
    for first in range(0, len(values), _CHUNK):
        part = values[first : first + _CHUNK]
        with np.errstate(over="ignore"):
            apart = np.subtract(part, mean, out=away[: len(part)])
            squares += float(apart @ apart)
    return math.sqrt(min(squares, sys.float_info.max) / len(values))


def per_draw(values: Floats) -> tuple[float, float]:
    """How many rows in a row are worth one independent row, and the same of being missing."""
    kept = values[np.isfinite(values)]
    found = _per_draw(kept, np.sort(kept)) if len(kept) else 1.0
    return found, _missing_per_draw(np.isnan(values))


def _per_draw(values: Floats, ordered: Floats) -> float:
    edges = np.unique(ordered[np.linspace(0, len(ordered) - 1, 11).astype(np.int64)[1:-1]])
    return rows_per_draw(_levels(values, edges), 2 * len(edges) + 1)


def _levels(values: Floats, edges: Floats) -> NDArray[np.int8]:
    """Where each value lies among ``edges``: even codes between them, odd ones at an edge, so
    that a number which is mostly 0 has levels too."""
    codes, room = np.zeros(len(values), dtype=np.int8), np.empty(_CHUNK, dtype=np.bool_)
    for first in range(0, len(values), _CHUNK):
        part, code = values[first : first + _CHUNK], codes[first : first + _CHUNK]
        above = room[: len(part)]
        for edge in edges:
            code += np.greater(part, edge, out=above).view(np.int8)
            code += np.greater_equal(part, edge, out=above).view(np.int8)
    return codes


def _distinct(ordered: Floats, most: int) -> Floats | None:
    """The different values of ``ordered``; None when they are more than ``most``."""
    if len(ordered) <= _CHUNK:  # one look at each is less than a search for each that differs
        different = np.append(True, ordered[1:] != ordered[:-1])
        return ordered[different] if np.count_nonzero(different) <= most else None
    found: list[float] = []
    at = 0
    while at < len(ordered):
        if len(found) == most:
            return None
        found.append(ordered[at])
        at = int(np.searchsorted(ordered, ordered[at], side="right"))
    return np.array(found)


def sketch_category(column: pl.Series, levels: tuple[str, ...]) -> CategorySketch:
    """The sketch of text values in time order against the levels of the schema."""
    codes = level_codes(column, levels)
    return _from_codes(codes, levels, unseen_examples(column, codes))


def unseen_examples(column: pl.Series, codes: Codes) -> tuple[str, ...]:
    """The most frequent values that are no levels."""
    strange = np.flatnonzero(codes == UNSEEN)
    if not len(strange):
        return ()
    top = count_values(column.gather(strange))["value"].head(5)
    return tuple(value[:80] for value in top.to_list())


def _from_codes(
    codes: Ints | Codes, levels: tuple[str, ...], examples: tuple[str, ...]
) -> CategorySketch:
    """Codes index ``levels``; -1 is unseen, -2 missing."""
    missing, unseen, counts = tally(codes, len(levels))
    present = codes[codes != MISSING] if missing else codes
    return CategorySketch(
        n=len(present),
        missing=missing,
        levels=levels,
        counts=counts,
        unseen=unseen,
        examples=examples,
        rows_per_draw=rows_per_draw(present - UNSEEN, len(levels) + 1),
        missing_per_draw=_missing_per_draw(codes == MISSING) if missing else 1.0,
    )


def _missing_per_draw(missing: NDArray[np.bool_]) -> float:
    return rows_per_draw(missing.view(np.int8), 2) if missing.any() else 1.0


def _by_itself(_: str, values: Floats) -> NumberSketch:
    return sketch_number(values)


def _sketch(frame: pl.DataFrame, numbers: Numbers, feature: Feature) -> Sketch:
    """The feature's sketch; values of another kind count as missing, never as an error."""
    if feature.name not in frame.columns:
        column = pl.Series(feature.name, [None] * frame.height, dtype=pl.Null)
    else:
        column = frame[feature.name]
    if feature.kind == "category":
        text = column if is_text(column) else as_text(column)
        return sketch_category(text, feature.levels)
    if feature.kind == "boolean":
        if column.dtype.is_numeric():
            column = column != 0
        return sketch_category(as_text(column).str.to_lowercase(), ("false", "true"))
    if feature.shape:
        sketch = numbers(feature.name, signal(column, feature))
        return replace(sketch, of=MEANT.get(feature.kind, ""))
    if feature.kind == "datetime":
        column = hours(column)
    return numbers(feature.name, column.cast(pl.Float64, strict=False).to_numpy())
