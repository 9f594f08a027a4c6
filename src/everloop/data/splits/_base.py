"""What every division of rows is."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_instant
from everloop.data.schema import Schema
from everloop.errors import invalid, no_column

Rows = NDArray[np.int64]


class Split(msgspec.Struct, frozen=True):
    """Row numbers (from 0) for training and for the test, and how they were chosen, in words.

    With a time both are in the order of time, otherwise in the order of the rows. Rows in a gap
    between the two, and those whose group is on the other side, are in neither.
    """

    train: Rows
    test: Rows
    how: str


def millis(df: pl.DataFrame, time: str) -> Rows:
    """The column of time in milliseconds since 1970."""
    return as_instant(df[time]).dt.epoch("ms").to_numpy()


def time_of(schema: Schema, why: str) -> str:
    """The column of time; refused when there is none."""
    if schema.time is None:
        raise invalid(why, "<no data.time>", "a loop whose data.time names a column of time")
    return schema.time


def group_codes(groups: pl.Series) -> Rows:
    """A number for each row, equal where the groups are; rows without a value are one group."""
    return groups.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def groups_of(df: pl.DataFrame, group_by: str) -> Rows:
    """A number for each row's group; rows without a value are one group."""
    if group_by not in df.columns:
        raise no_column("evaluate.group_by", group_by, df.columns, code="missing_column")
    codes = group_codes(df[group_by])
    if len(np.unique(codes)) < 2:
        raise invalid(
            f'column "{group_by}"',
            f"<only {df[group_by][0]!r}>",
            "at least two groups",
            code="constant_column",
            fix="Leave out evaluate.group_by.",
        )
    return codes
