"""Choosing inside, judging outside."""

from __future__ import annotations

import msgspec
import polars as pl

from everloop.data.schema import Schema
from everloop.data.splits._base import Split
from everloop.data.splits.by_time import forward
from everloop.data.splits.k_fold import k_fold


class Nested(msgspec.Struct, frozen=True):
    """An outer division, and those of its training rows by which a model is chosen.

    All row numbers count in the whole frame.
    """

    outer: Split
    inner: list[Split]


def nested(
    df: pl.DataFrame,
    schema: Schema,
    outer: int,
    inner: int,
    seed: int,
    group_by: str | None = None,
    gap: int = 0,
) -> list[Nested]:
    """``outer`` divisions that judge, each with ``inner`` ones of its training rows that choose.

    The score of the outer tests is that of choosing and fitting together, which no inner score is
    (Varma and Simon, 2006). With a time, and without groups, both go forward in time.
    """
    by_time = schema.time is not None and group_by is None
    first = _divide(df, schema, outer, seed, group_by, gap, by_time)
    found = []
    for division in first:
        # Another seed: parts by the same hash would be the outer ones again.
        rows = df[division.train]
        second = _divide(rows, schema, inner, seed + 1, group_by, gap, by_time)
        within = [Split(division.train[s.train], division.train[s.test], s.how) for s in second]
        found.append(Nested(division, within))
    return found


def _divide(
    df: pl.DataFrame,
    schema: Schema,
    parts: int,
    seed: int,
    group_by: str | None,
    gap: int,
    by_time: bool,
) -> list[Split]:
    if by_time:
        return forward(df, schema, parts, gap)
    return k_fold(df, schema, parts, seed, group_by)
