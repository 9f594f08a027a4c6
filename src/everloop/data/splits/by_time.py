"""Later rows judge what earlier ones taught."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.data.splits._base import Rows, Split, millis, time_of
from everloop.errors import InvalidInput, invalid


def newest(df: pl.DataFrame, schema: Schema, span: int, text: str, gap: int) -> Split:
    """The rows of the last ``span`` milliseconds test."""
    if schema.time is None:
        raise invalid(
            "evaluate.holdout",
            text,
            "a share between 0 and 1, as data.time is not set",
            fix="Name the column of time in data.time, or write a share such as 0.2.",
        )
    times = millis(df, schema.time)
    order = np.argsort(times, kind="stable")
    cut = int(np.searchsorted(times[order], times.max() - span, side="right"))
    if cut == 0:
        days = f"{(times.max() - times.min()) / 86_400_000:.1f}"
        raise invalid("evaluate.holdout", text, f"less than the {days} days that the data covers")
    how = f"the {len(order) - cut:,} rows of the newest {text}"
    return _apart(order, times[order], cut, gap, how)


def latest_share(df: pl.DataFrame, time: str, count: int, gap: int) -> Split:
    """About ``count`` of the latest rows test; equal times stay on one side."""
    times = millis(df, time)
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    cut = int(np.searchsorted(ordered, ordered[-count], side="left"))
    if cut == 0:
        cut = int(np.searchsorted(ordered, ordered[0], side="right"))
    if cut == len(order):
        raise _one_time(time, df)
    since = df[time][int(order[cut])]
    how = f"the newest {len(order) - cut:,} rows, from {since}"
    return _apart(order, ordered, cut, gap, how)


def forward(df: pl.DataFrame, schema: Schema, parts: int, gap: int = 0) -> list[Split]:
    """Each of ``parts`` equal stretches is judged by what came before it.

    The first fifth or more of the rows only trains. ``gap`` are milliseconds before each test
    whose rows are left out, since their labels would not be known by then.
    """
    time = time_of(schema, "evaluate.split")
    times = millis(df, time)
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    first = max(0.2, 1 / (parts + 1))
    edges = np.linspace(len(order) * first, len(order), parts + 1).round().astype(int)
    found = [
        _apart(order[:end], ordered[:end], start, gap, f"stretch {number} of {parts} by {time}")
        for number, start, end in stretches(ordered, edges.tolist())
    ]
    if not found:
        raise _one_time(time, df)
    return found


def stretches(ordered: Rows, edges: Sequence[int]) -> list[tuple[int, int, int]]:
    """Number (from 1), first row and end of each stretch between neighbouring ``edges``.

    ``ordered`` are rising times; an edge moves back until equal times are on one side of it.
    Stretches that are empty then, or have nothing before them, are left out.
    """
    inner = np.minimum(np.asarray(edges[:-1], dtype=np.int64), len(ordered) - 1)
    moved = [*np.searchsorted(ordered, ordered[inner], side="left").tolist(), edges[-1]]
    spans = enumerate(pairwise(moved), 1)
    return [(number, start, end) for number, (start, end) in spans if 0 < start < end]


def _apart(order: Rows, times: Rows, cut: int, gap: int, how: str) -> Split:
    """Rows before ``cut`` train but for those within ``gap`` of the first that tests."""
    last = cut
    if gap:
        last = int(np.searchsorted(times, times[cut] - gap, side="left"))
        if last == 0:
            raise invalid(
                "evaluate.gap",
                f"<{gap / 86_400_000:.3g} days>",
                "less than what lies between the first row and the first that tests",
            )
        how += f", {cut - last:,} rows before them left out as a gap"
    return Split(order[:last], order[cut:], how)


def _one_time(time: str, df: pl.DataFrame) -> InvalidInput:
    return invalid(
        f'column "{time}"',
        f"<only {df[time][0]}>",
        "at least two different times",
        code="constant_column",
        fix="Set evaluate.split to random, or leave out data.time.",
    )
