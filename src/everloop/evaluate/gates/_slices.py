"""Slices: rows that share something, and how a metric does on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from everloop.data.frames import counted
from everloop.data.schema import Feature
from everloop.evaluate.fairness.groups import plain_edges
from everloop.evaluate.gates._base import MIN_ROWS, Evidence, too_little
from everloop.evaluate.metrics import Estimate, Metric, at_level

PARTS = 4  # of a number's range, with as many rows each
MOST_LEVELS = 30  # of a category; the rest are too rare or too many to look through
SMALLEST = 0.02  # share of the rows that a found slice has at least
PAIRED = 8  # worst single slices of which each two are put together
LOOKED_AT = 4_000  # rows of a slice that are enough to rank it


@dataclass(frozen=True)
class Slice:
    """Rows with one thing in common: what it is in words, and which they are (n booleans)."""

    name: str
    column: str
    rows: np.ndarray


def judged(metric: Metric, evidence: Evidence, part: Slice, level: float) -> Estimate:
    """The metric on a slice, with a two-sided interval that is wrong with chance ``level``."""
    own = evidence.on(part.rows)
    return at_level(own.bound(metric), own.y, own.challenger, level, evidence.seed)


def value_on(metric: Metric, evidence: Evidence, part: Slice) -> float:
    """The metric on a slice, on a sample where it is large; NaN where nothing can be said."""
    own = evidence.on(_thinned(part.rows))
    if too_little(metric, own):
        return float("nan")
    answers = own.challenger
    return own.bound(metric).function(own.y, answers.pred, answers.proba)


def found_slices(evidence: Evidence) -> list[Slice]:
    """Every level, part of a range, and "missing" of every feature, with enough rows."""
    least = max(MIN_ROWS, int(SMALLEST * len(evidence.y)))
    return [
        part
        for feature in evidence.schema.features
        if feature.name in evidence.frame.columns
        for part in _of_feature(feature, evidence.frame[feature.name])
        if least <= part.rows.sum() < len(part.rows)
    ]


def pairs(parts: list[Slice], rows: int) -> list[Slice]:
    """Each two of the slices together, where enough rows are in both."""
    least = max(MIN_ROWS, int(SMALLEST * rows))
    out = []
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            both = one.rows & other.rows
            if one.column != other.column and both.sum() >= least:
                out.append(Slice(f"{one.name} and {other.name}", "", both))
    return out


def _of_feature(feature: Feature, values: pl.Series) -> Iterator[Slice]:
    name = feature.name
    missing = values.is_null()
    if missing.any():
        yield Slice(f"{name} missing", name, missing.to_numpy())
    if feature.kind in ("category", "boolean"):
        text = values.cast(pl.String)
        for level in counted(text.drop_nulls())["value"].head(MOST_LEVELS):
            yield Slice(f"{name} {level!r}", name, (text == level).fill_null(False).to_numpy())
    elif feature.kind == "number":
        yield from _of_number(name, values.cast(pl.Float64, strict=False))


def _of_number(name: str, values: pl.Series) -> Iterator[Slice]:
    x = values.fill_null(float("nan")).to_numpy()
    known = x[np.isfinite(x)]
    if len(known) == 0:
        return
    edges = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1)))
    told = plain_edges(edges)
    for i, (low, high) in enumerate(pairwise(edges)):
        last = i == len(edges) - 2
        inside = (x >= low) & ((x <= high) if last else (x < high))
        yield Slice(f"{name} {told[i]} to {told[i + 1]}", name, inside)


def _thinned(rows: np.ndarray) -> np.ndarray:
    places = np.flatnonzero(rows)
    if len(places) <= LOOKED_AT:
        return rows
    kept = np.zeros_like(rows)
    kept[places[np.linspace(0, len(places) - 1, LOOKED_AT).astype(np.int64)]] = True
    return kept
