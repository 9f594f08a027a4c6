"""Which rows train and which are held out to judge what was trained."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_instant
from everloop.data.encode import encode, encode_target
from everloop.data.schema import Schema
from everloop.durations import milliseconds
from everloop.errors import InvalidInput, invalid

Rows = NDArray[np.int64]
How = Literal["auto", "last", "random"]


class Split(msgspec.Struct, frozen=True):
    """Row numbers (from 0) for training and for the test, and how they were chosen, in words.

    With a time both are in the order of time, otherwise in the order of the rows.
    """

    train: Rows
    test: Rows
    how: str


def split(
    df: pl.DataFrame,
    schema: Schema,
    holdout: float | str,
    seed: int,
    how: How = "auto",
    train_rows: int | None = None,
) -> Split:
    """Divide the rows of ``df``, which have their labels.

    Parameters
    ----------
    holdout : share of the rows that test (0 to 1, both excluded), or a duration such as ``"7d"``:
        the newest rows over that time.
    how : ``auto`` takes the newest rows where the schema has a time and random ones elsewhere;
        ``last`` takes the newest, or the last rows of the file; ``random`` ignores order.
    train_rows : the first so many rows (by time, where there is one) train and the others test.

    Rows with equal times stay on one side. Random rows are chosen by a hash of their features and
    ``seed``, so that the order of the file and the version of a library do not matter, and in
    classification each class gives the same share.

    Raises :class:`~everloop.errors.InvalidInput` when a side would be empty.
    """
    if train_rows is not None:
        return _first_rows(df, schema, train_rows)
    if isinstance(holdout, str):
        return _newest(df, schema, milliseconds(holdout, "evaluate.holdout"), holdout)
    if not 0 < holdout < 1:
        raise invalid("evaluate.holdout", holdout, "a share between 0 and 1, or a duration")
    if how == "random" or (how == "auto" and schema.time is None):
        return _random(df, schema, holdout, seed)
    count = min(max(round(df.height * holdout), 1), df.height - 1)
    if schema.time is None:
        rows = np.arange(df.height)
        return Split(rows[:-count], rows[-count:], f"the last {count:,} rows in the order given")
    return _latest_share(df, schema.time, count)


def _first_rows(df: pl.DataFrame, schema: Schema, train_rows: int) -> Split:
    if not 0 < train_rows < df.height:
        raise invalid(
            "evaluate.train_rows",
            train_rows,
            f"a number from 1 to {df.height - 1}, as there are {df.height} rows",
        )
    rows = np.arange(df.height)
    if schema.time is not None:
        rows = np.argsort(_millis(df, schema.time), kind="stable")
    return Split(
        rows[:train_rows],
        rows[train_rows:],
        f"the {df.height - train_rows:,} rows after the first {train_rows:,}",
    )


def _newest(df: pl.DataFrame, schema: Schema, span: int, text: str) -> Split:
    if schema.time is None:
        raise invalid(
            "evaluate.holdout",
            text,
            "a share between 0 and 1, as data.time is not set",
            fix="Name the column of time in data.time, or write a share such as 0.2.",
        )
    times = _millis(df, schema.time)
    order = np.argsort(times, kind="stable")
    cut = int(np.searchsorted(times[order], times.max() - span, side="right"))
    if cut == 0:
        raise invalid(
            "evaluate.holdout", text, f"less than the {_days(times)} days that the data covers"
        )
    return Split(order[:cut], order[cut:], f"the {len(order) - cut:,} rows of the newest {text}")


def _latest_share(df: pl.DataFrame, time: str, count: int) -> Split:
    times = _millis(df, time)
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    cut = int(np.searchsorted(ordered, ordered[-count], side="left"))
    if cut == 0:
        cut = int(np.searchsorted(ordered, ordered[0], side="right"))
    if cut == len(order):
        raise _one_time(time, df)
    since = df[time][int(order[cut])]
    return Split(order[:cut], order[cut:], f"the newest {len(order) - cut:,} rows, from {since}")


def _random(df: pl.DataFrame, schema: Schema, share: float, seed: int) -> Split:
    order = np.argsort(_row_hash(encode(df, schema), seed), kind="stable")
    labels = encode_target(df, schema)[order] if schema.classes else np.zeros(df.height, np.int64)
    chosen = np.zeros(df.height, dtype=bool)
    for label in np.unique(labels):
        members = order[labels == label]
        count = round(len(members) * share)
        if len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        chosen[members[:count]] = True
    if not chosen.any():
        raise invalid("evaluate.holdout", share, f"a larger share of the {df.height} rows")
    same = ", the same share of each class" if schema.classes else ""
    return Split(
        np.flatnonzero(~chosen),
        np.flatnonzero(chosen),
        f"{int(chosen.sum()):,} random rows (seed {seed}){same}",
    )


def _row_hash(X: NDArray[np.float64], seed: int) -> NDArray[np.uint64]:
    """64 bits for each row of ``X``, by the finaliser of splitmix64 (Steele et al., 2014)."""
    state = np.full(len(X), (seed * 0x9E3779B97F4A7C15 + 1) % 2**64, dtype=np.uint64)
    for column in X.T:
        state = state ^ (np.ascontiguousarray(column) + 0.0).view(np.uint64)
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state


def _millis(df: pl.DataFrame, time: str) -> Rows:
    return as_instant(df[time]).cast(pl.Int64).to_numpy()


def _days(times: Rows) -> str:
    return f"{(times.max() - times.min()) / 86_400_000:.1f}"


def _one_time(time: str, df: pl.DataFrame) -> InvalidInput:
    return invalid(
        f'column "{time}"',
        f"<only {df[time][0]}>",
        "at least two different times",
        code="constant_column",
        fix="Set evaluate.split to random, or leave out data.time.",
    )
