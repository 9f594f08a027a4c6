"""Holding new data against a schema: the columns a model was promised, in order and typed."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from everloop.data.columns import as_instant, as_kind, as_text, refuse
from everloop.data.encode import as_target
from everloop.data.schema import Schema
from everloop.errors import invalid, nearest


def conform(
    df: pl.DataFrame,
    schema: Schema,
    *,
    training: bool = False,
    ignore: Collection[str] = (),
) -> pl.DataFrame:
    """The columns id, time, features and target of ``df``, in this order, each of its type.

    Numbers are Float64, categories and ids String, booleans Boolean, datetimes and the time
    Datetime in milliseconds (UTC, no zone), the target as its classes. Keys and target may be
    absent, except that ``training`` needs the target and the schema's time. Columns named in
    ``schema.ignored`` and ``ignore`` are left out.

    Raises :class:`~everloop.errors.InvalidInput` for a missing, an extra or a mistyped column; the
    last names the first row and its value.
    """
    keys = [name for name in (schema.id, schema.time, schema.group) if name is not None]
    done = [name for name in (schema.action, schema.propensity) if name is not None]
    known = {*keys, *done, *schema.names, schema.target, *schema.ignored, *ignore}
    needed = [*schema.names]
    if training:
        needed += [schema.target, *done] + ([schema.time] if schema.time else [])
    for name in needed:
        if name not in df.columns:
            extra = [c for c in df.columns if c not in known]
            guess = nearest(name, extra)
            raise invalid(
                "columns",
                df.columns,
                f'a column "{name}"',
                code="missing_column",
                path=f"$.{name}",
                fix=f'Is "{guess}" the one? Rename it.' if guess else None,
            )
    for name in df.columns:
        if name not in known:
            raise invalid(
                f'column "{name}"',
                f"<an extra column of type {df.schema[name]}>",
                "only " + ", ".join([*keys, *schema.names, schema.target]),
                code="extra_column",
                path=f"$.{name}",
                fix="Leave it out, or name it in data.ignore.",
            )
    columns = [_key(df[name], schema, training) for name in keys if name in df.columns]
    columns += [as_kind(df[f.name], f.kind) for f in schema.features]
    if schema.target in df.columns:
        columns.append(as_target(df[schema.target], schema))
    columns += [df[name] for name in done if name in df.columns]
    return pl.DataFrame(columns)


def _key(series: pl.Series, schema: Schema, training: bool) -> pl.Series:
    if series.name != schema.time:
        return as_text(series)
    times = as_instant(series)
    if training:
        refuse(series, times.is_null(), "a date and time", fix="Every row needs its time.")
    return times
