"""Records of the data plane as columns: what a Parquet part of the log looks like.

``predictions`` parts hold one row per predicted row: ``id``, ``time`` (of the event, ms), ``at``
(of the request, ms), ``request``, ``version``, ``arm``, ``rate`` (the share of rows that was kept:
each stands for ``1 / rate``), ``y``, ``p``, ``latency``, ``steps`` (of a stream), ``error``,
``marks`` (what was not as expected, such as ``out_of_range age, missing bmi``), and
each feature under its name after ``x.``, so that no feature can be taken for one of the others.
``feedback`` parts hold ``id``, ``at`` and ``label``, the label as JSON text, since ``1``, ``"1"``
and ``true`` are three labels.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import polars as pl

from everloop.data.segments import FeedbackRecord, PredictionRecord

FEATURE = "x."
STRAY = FEATURE + "?"  # before the name of a column that is no feature: of it only that it came
MILLIS = pl.Datetime("ms")
_json = msgspec.json.Encoder()


def prediction_frame(records: Sequence[PredictionRecord]) -> pl.DataFrame:
    """Rows of requests in the order given; a request that failed has rows without an answer."""
    meta: dict[str, list[Any]] = {name: [] for name in _PREDICTION_TYPES}
    answers: list[Any] = []
    records = [record.unpacked() for record in records]
    names = list(dict.fromkeys(name for record in records for name in record.columns))
    values: dict[str, list[Any]] = {name: [] for name in names}
    for record in records:
        n = len(record.ids)
        times = record.times or [None] * n
        meta["id"] += record.ids
        meta["time"] += [record.at if time is None else time for time in times]
        meta["at"] += [record.at] * n
        meta["request"] += [record.request] * n
        meta["version"] += [record.version] * n
        meta["arm"] += [record.arm] * n
        meta["rate"] += [record.rate] * n
        meta["p"] += _padded(record.p, n)
        meta["latency"] += [record.ms] * n
        meta["steps"] += [record.steps] * n
        meta["error"] += [record.error] * n
        meta["marks"] += [", ".join(row) or None for row in record.marks or [[]] * n]
        answers += _padded(record.y, n)
        for name in names:
            values[name] += _padded(record.columns.get(name), n)
    frame = pl.DataFrame(meta, schema=_PREDICTION_TYPES, strict=False)
    features = [_series(FEATURE + name, column) for name, column in values.items()]
    return frame.with_columns(_series("y", answers), *features)


_PREDICTION_TYPES: dict[str, Any] = {
    "id": pl.String,
    "time": pl.Int64,
    "at": pl.Int64,
    "request": pl.String,
    "version": pl.Int64,
    "arm": pl.String,
    "rate": pl.Float64,
    "p": pl.List(pl.Float64),
    "latency": pl.Float64,
    "steps": pl.Int64,
    "error": pl.String,
    "marks": pl.String,
}


def feedback_frame(records: Iterable[FeedbackRecord]) -> pl.DataFrame:
    """Labels in the order in which they came."""
    ids: list[str] = []
    labels: list[str] = []
    at: list[int] = []
    for record in records:
        ids += record.ids
        labels += [_json.encode(label).decode() for label in record.labels]
        at += [record.at] * len(record.ids)
    kinds = {"id": pl.String, "at": pl.Int64, "label": pl.String}
    return pl.DataFrame({"id": ids, "at": at, "label": labels}, schema=kinds)


def to_parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out, compression="zstd")
    return out.getvalue()


def from_parquet(data: bytes, columns: list[str] | None = None) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(data), columns=columns)


def label_values(labels: pl.Series) -> pl.Series:
    """JSON texts as the values they stand for; left as they are when their types differ."""
    texts = labels.drop_nulls().unique().to_list()
    values = [msgspec.json.decode(text) for text in texts]
    kinds = {type(value) for value in values}
    dtypes = {bool: pl.Boolean, str: pl.String, int: pl.Int64, float: pl.Float64}
    if kinds == {int, float}:
        kinds, values = {float}, [float(value) for value in values]
    if len(kinds) != 1 or (kind := kinds.pop()) not in dtypes:
        return labels
    return labels.replace_strict(texts, values, default=None, return_dtype=dtypes[kind])


def _padded(values: Any, n: int) -> list[Any]:
    """A column of ``n`` values; none at all when it is absent or of another length."""
    return values if isinstance(values, list) and len(values) == n else [None] * n


def _series(name: str, values: list[Any]) -> pl.Series:
    series = pl.Series(name, values, strict=False)
    if series.dtype in (pl.Object, pl.List, pl.Struct):
        texts = [None if v is None else _json.encode(v).decode() for v in values]
        return pl.Series(name, texts, dtype=pl.String)
    return series
