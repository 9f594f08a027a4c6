"""Tables of other libraries as one kind of frame, without importing any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from everloop.errors import InvalidInput, invalid


def as_frame(table: Any, name: str = "table") -> pl.DataFrame:
    """A frame of Polars from one of pandas, Polars or Arrow, a DuckDB relation, or columns by name.

    Nothing is copied where the other library speaks Arrow's C stream. ``name`` stands in the
    error. Raises :class:`~everloop.errors.InvalidInput` for what is no table.
    """
    if isinstance(table, pl.DataFrame):
        return stored(table)
    if isinstance(table, pl.LazyFrame):
        return stored(table.collect())
    try:
        if hasattr(table, "columns") and hasattr(table, "iloc"):  # pandas
            return stored(_of_pandas(table))
        if hasattr(table, "__arrow_c_stream__") or isinstance(table, Mapping):
            return stored(pl.DataFrame(table))
        if hasattr(table, "to_arrow_table"):
            return stored(pl.DataFrame(table.to_arrow_table()))
    except Exception as error:  # of Polars, of Arrow, or DuckDB's of a query that fails
        raise _refused(table, name, str(error)) from None
    except pl.exceptions.PanicException as error:  # of a type such as Arrow's month_day_nano
        raise _refused(table, name, str(error).partition('ErrString("')[2]) from None
    raise _refused(table, name, "")


def stored(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without extension types (pandas' periods and intervals): as they are stored."""
    own = [n for n, t in frame.schema.items() if isinstance(t, pl.BaseExtension)]
    return frame.with_columns(frame[name].ext.storage() for name in own) if own else frame


def counted(values: pl.Series) -> pl.DataFrame:
    """The different values and how often each comes, ``value`` and ``n``, most frequent first.

    Polars' own count fails for a column that is called like the count.
    """
    counts = values.alias("value").value_counts(name="n")
    return counts.sort("n", "value", descending=[True, False])


def _of_pandas(table: Any) -> pl.DataFrame:
    """Columns one by one: one of mixed objects becomes text instead of an error."""
    columns = []
    for place, label in enumerate(table.columns):
        values = table.iloc[:, place]
        try:
            column = pl.DataFrame(pl.from_pandas(values.to_frame("x"), nan_to_null=True))["x"]
        except Exception:  # Arrow's errors for mixed objects are of several classes
            column = pl.Series([None if v is None or v != v else str(v) for v in values.tolist()])
        columns.append(column.alias(str(label)))
    return pl.DataFrame(columns)


def _refused(table: Any, name: str, why: str) -> InvalidInput:
    first = why.strip().split("\n", 1)[0]
    return invalid(
        name,
        f"<{type(table).__name__}{': ' + first if first else ''}>",
        "a table: a frame of pandas, Polars or Arrow, a DuckDB relation, or the path of a file",
        code="not_a_table",
    )
