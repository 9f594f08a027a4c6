"""Predictions that something else made, as rows of the prediction log.

A table has a column for each thing the log keeps. MLflow's inference tables hold a request and a
response in each row (:mod:`everloop.monitor.payloads`); they become the same table first. A row
that comes again in another batch counts once: its request is named by its id, its time and its
version.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import polars as pl

from everloop.data.columns import as_instant
from everloop.data.schema import Schema
from everloop.errors import invalid, no_column
from everloop.monitor.feedback import SKEW_MS
from everloop.monitor.parts import FEATURE, prediction_frame
from everloop.monitor.payloads import ID, TIME, UNSEEN, answered, asked

Layout = Literal["table", "mlflow"]
ROUNDING = 1e-6  # of probabilities that were kept with few digits


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column holds what; a feature stands under its own name unless it is in ``features``."""

    id: str = ""  # the schema's id, or "id"
    time: str = ""  # the schema's time, or "time"
    prediction: str = "prediction"
    probability: str = ""  # of the last class, or a list with that of every class
    version: str = ""
    features: dict[str, str] = {}
    senders: tuple[str, ...] = ()  # that say who sent a row, such as client; kept as text


class Logged(msgspec.Struct, frozen=True):
    """What became of the rows of a table of predictions; nothing is kept of the last three."""

    rows: int = 0
    new: int = 0
    repeated: int = 0  # in a batch that had come before
    future: int = 0
    empty: int = 0  # no id, no time or no prediction

    def plus(self, other: Logged) -> Logged:
        return Logged(*(getattr(self, n) + getattr(other, n) for n in self.__struct_fields__))


def log_rows(
    table: pl.DataFrame, columns: Columns, schema: Schema, version: int, now: int
) -> tuple[pl.DataFrame, Logged]:
    """The rows as a part of the log has them, and how many were left out.

    Raises :class:`~everloop.errors.InvalidInput` for a column that is not there.
    """
    ids = _column(table, "id", columns.id, schema.id or "id").cast(pl.String)
    times = times_of(_column(table, "time", columns.time, schema.time or "time"))
    answers = _column(table, "prediction", columns.prediction, "prediction")
    versions = pl.repeat(version, table.height, eager=True, dtype=pl.Int64)
    if columns.version:
        given = _column(table, "version", columns.version, "")
        versions = given.cast(pl.Int64, strict=False).fill_null(version)
    frame = pl.DataFrame(
        {
            "id": ids, "time": times, "at": times, "version": versions, "y": answers,
            "p": _probabilities(table, columns, schema),
        }
    )  # fmt: skip
    features = {FEATURE + name: table[column] for name, column in _features(table, columns, schema)}
    senders = [
        _column(table, "senders", name, "").cast(pl.String, strict=False).alias(FEATURE + name)
        for name in columns.senders
        if FEATURE + name not in features
    ]
    frame = frame.with_columns(*senders, **features).with_columns(
        request=pl.format("import:{}@{}/{}", "id", "time", "version"),
        arm=pl.lit("champion"), rate=pl.lit(1.0), latency=pl.lit(0.0),
    )  # fmt: skip
    empty = ids.is_null() | times.is_null() | answers.is_null()
    future = ~empty & (times > now + SKEW_MS).fill_null(False)
    kept = frame.filter(~(empty | future))
    shaped = pl.concat([prediction_frame([]).drop("y"), kept], how="diagonal_relaxed")
    counted = Logged(table.height, kept.height, 0, int(future.sum()), int(empty.sum()))
    return shaped, counted


def times_of(column: pl.Series) -> pl.Series:
    """Instants in ms; text files are read so that their whole numbers come as floats."""
    if column.dtype.is_float():
        column = column.cast(pl.Int64, strict=False)
    return as_instant(column).dt.timestamp("ms")


def from_inference_table(
    table: pl.DataFrame, schema: Schema, named: Columns | None = None
) -> tuple[pl.DataFrame, Columns]:
    """MLflow's layout as a table with a row for each predicted row; failed requests are left out.

    Rows are named by the schema's id where the request has it, else by the request's id, with the
    row's number behind it when there are several; of their time it is alike. ``named`` may say
    which columns hold the request's id and time.

    Raises :class:`~everloop.errors.InvalidInput` for a column that is not there.
    """
    named = named or Columns()
    for field, column in (
        ("layout", "request"), ("layout", "response"), ("id", named.id), ("time", named.time),
        *(("senders", name) for name in named.senders),
    ):  # fmt: skip
        if column and column not in table.columns:
            raise no_column(field, column, table.columns)
    ids = [named.id] if named.id else ["client_request_id", "databricks_request_id"]
    times = [named.time] if named.time else ["timestamp_ms", "request_time", "timestamp"]
    made: list[dict[str, Any]] = []
    for row in table.iter_rows(named=True):
        if row.get("status_code") not in (None, 200):
            continue
        sent = asked(row.get("request"), schema)
        answers = answered(row.get("response"), schema)
        if len(sent) != len(answers):
            continue
        name = next((row[n] for n in ids if row.get(n)), None)
        at = next((row[n] for n in times if row.get(n)), None)
        senders = {n: row[n] for n in named.senders if n not in schema.names}
        for number, (features, answer) in enumerate(zip(sent, answers, strict=True)):
            given = name if len(sent) == 1 else f"{name}-{number}"
            id, time = features.pop(ID, given), features.pop(TIME, at)
            meta = {"(id)": None if id is None else str(id), "(time)": time}
            made.append(senders | features | meta | {"(y)": answer.y, "(p)": answer.p})
    columns = Columns(
        id="(id)", time="(time)", prediction="(y)", probability="(p)", senders=named.senders
    )
    names = [*schema.names, *named.senders, "(id)", "(time)", "(y)", "(p)"]
    found = pl.DataFrame(made, infer_schema_length=None, strict=False) if made else pl.DataFrame()
    lacking = [pl.lit(None).alias(n) for n in names if n not in found.columns]
    return found.with_columns(lacking) if made else pl.DataFrame({n: [] for n in names}), columns


def _probabilities(table: pl.DataFrame, columns: Columns, schema: Schema) -> pl.Series:
    none = pl.repeat(None, table.height, eager=True, dtype=pl.List(pl.Float64))
    if not columns.probability:
        return none
    given = _column(table, "probability", columns.probability, "")
    if given.dtype == pl.List:
        shares = given.cast(pl.List(pl.Float64))
        lengths = shares.list.len()
        _check_shares(given, shares.explode(), (lengths != len(schema.classes)).any(), schema)
        return shares
    if given.dtype == pl.Null or len(schema.classes) != 2:
        return none
    _check_shares(given, given.cast(pl.Float64, strict=False), False, schema)
    last = pl.col("p").cast(pl.Float64, strict=False)
    both = given.alias("p").to_frame().select(pl.concat_list(1 - last, last).alias("p"))["p"]
    return both.set(given.is_null(), None)


def _check_shares(given: pl.Series, shares: pl.Series, uneven: bool, schema: Schema) -> None:
    """Refuse what is no probability: an odds, a score, a share of another number of classes."""
    far = shares.is_not_null() & ~(shares.is_nan() | shares.is_between(-ROUNDING, 1 + ROUNDING))
    if not uneven and not far.any():
        return
    if given.dtype != pl.List:
        raise invalid("probability", shares.filter(far)[0], "a probability, from 0 to 1")
    wrong = given.filter(given.list.len() != len(schema.classes)) if uneven else given.head(1)
    raise invalid(
        "probability", wrong[0].to_list(),
        f"the probability of each of {len(schema.classes)} classes, from 0 to 1",
    )  # fmt: skip


def _features(table: pl.DataFrame, columns: Columns, schema: Schema) -> list[tuple[str, str]]:
    for name, column in columns.features.items():
        if name not in schema.names:
            raise no_column("features", name, schema.names)
        if column not in table.columns:
            raise no_column(f"features.{name}", column, table.columns)
    pairs = [(name, columns.features.get(name, name)) for name in schema.names]
    pairs += [(name, name) for name in schema.beside]
    pairs += [(name, name) for name in table.columns if name.startswith(UNSEEN)]
    return [(name, column) for name, column in pairs if column in table.columns]


def _column(table: pl.DataFrame, field: str, name: str, default: str) -> pl.Series:
    wanted = name or default
    if wanted not in table.columns:
        raise no_column(field, wanted, table.columns)
    return table[wanted]
