"""A column as a few levels: what a change is located by, and what segments are made of."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from everloop.data.columns import as_text
from everloop.data.encode import encode
from everloop.data.frames import counted
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.monitor.profile import Floats, Ints
from everloop.monitor.signals import signal

BINS = 8  # of a number
MOST = 24  # levels of a category that are told apart


class Levels(NamedTuple):
    """``codes`` index ``names``, one a row."""

    codes: Ints
    names: tuple[str, ...]


def number_of(column: pl.Series, feature: Feature) -> Floats:
    """A feature as one number a row, NaN where it is missing or of another kind.

    A category is the index of its level, a moment its hour, as in a profile; a text, an image or
    a sequence its signal.
    """
    if feature.shape:
        return signal(column, feature)
    try:
        X = encode(column.to_frame(feature.name), Schema((feature,), "", "regression"))
    except InvalidInput:
        return np.full(len(column), np.nan)
    values = X[:, -1]
    return np.where(values < 0, np.nan, values) if feature.kind == "category" else values


def levels_of(column: pl.Series, feature: Feature) -> Levels:
    """The levels of a feature; a missing value is one of them."""
    if feature.kind in ("category", "boolean"):
        return text_levels(as_text(column), feature.name)
    return number_levels(number_of(column, feature), feature.name)


def text_levels(column: pl.Series, name: str) -> Levels:
    """The most frequent values, the others together, and the missing ones."""
    told = counted(column.drop_nulls())["value"].head(MOST).to_list()
    known = {value: code for code, value in enumerate(told)}
    codes = column.replace_strict(known, default=len(told), return_dtype=pl.Int64)
    codes = codes.set(column.is_null(), len(told) + 1)
    names = [f"{name} = {value}" for value in told]
    return Levels(codes.to_numpy(), (*names, f"{name} = another", f"{name} missing"))


def number_levels(values: Floats, name: str) -> Levels:
    """About as many rows in each of :data:`BINS`; a value that many rows share is its own."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Levels(np.zeros(len(values), dtype=np.int64), (f"{name} missing",))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1), method="lower"))
    if np.isin(known[:: max(1, len(known) // 2_000)], edges).mean() > 0.5:
        return _own(values, edges, name)
    inner = edges[1:-1]
    codes = np.searchsorted(inner, values, side="right")
    bounds = [f"{edge:.4g}" for edge in edges]
    names = [f"{name} from {a} to {b}" for a, b in pairwise(bounds)]
    names = names or [f"{name} = {bounds[0]}"]
    return _with_missing(codes.astype(np.int64), values, names, name)


def _own(values: Floats, edges: Floats, name: str) -> Levels:
    """Levels of a number with few values: each, and what lies between them."""
    at = np.searchsorted(edges, values, side="left")
    hit = np.isin(values, edges)
    codes = np.where(hit, 2 * at + 1, 2 * at).astype(np.int64)
    names = []
    for place in range(2 * len(edges) + 1):
        edge = f"{edges[min(place // 2, len(edges) - 1)]:.4g}"
        names.append(f"{name} = {edge}" if place % 2 else f"{name} below {edge}")
    names[-1] = f"{name} above {edges[-1]:.4g}"
    return _with_missing(codes, values, names, name)


def _with_missing(codes: Ints, values: Floats, names: list[str], name: str) -> Levels:
    codes = np.where(np.isnan(values), len(names), codes)
    return Levels(codes, (*names, f"{name} missing"))
