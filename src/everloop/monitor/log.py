"""The prediction log: what was asked and answered, and the labels that came later.

The data plane appends to local segment files; :meth:`PredictionLog.ship` brings them into Parquet
parts in the object store. Reading opens only the parts whose times overlap what is asked for, one
at a time. Labels are joined when they are asked for, so it does not matter whether a label or its
prediction came first; of several labels for an id the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import sqlalchemy as sa
from numpy.typing import NDArray

from everloop.data.columns import as_kind
from everloop.data.schema import Schema
from everloop.errors import InvalidInput
from everloop.monitor.labels import label_codes, target_column
from everloop.monitor.parts import FEATURE, MILLIS, from_parquet, label_values
from everloop.monitor.shipping import Shipper
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.tables import log_parts

_META = ("id", "time", "version", "arm", "y", "p", "latency", "error")


# What is known of an answer beside its row: not needed to train.
ANSWER = ("at", "request", "version", "arm", "p", "latency", "error", "y")


class Extent(msgspec.Struct, frozen=True):
    """How far an endpoint's log goes: event times, and the newest part of each kind."""

    first: int
    last: int
    parts: int
    feedback_parts: int


class Part(msgspec.Struct, frozen=True):
    """A stored part of the log; ``first`` and ``last`` are times inside."""

    number: int
    digest: str
    first: int
    last: int


class PredictionLog:
    """The log of all endpoints, over the segments in ``folder`` and the parts in the store."""

    def __init__(self, db: Database, blobs: Blobs, folder: Path) -> None:
        self.db = db
        self.blobs = blobs
        self._shipper = Shipper(db, blobs, folder)

    def ship(self) -> int:
        """Bring what the data plane wrote into the store; returns the number of rows and labels."""
        return self._shipper.ship()

    # -- read ------------------------------------------------------------------------------------

    def extent(self, endpoint: str) -> Extent | None:
        """None while nothing was predicted. One query, whatever the log's size."""
        query = (
            sa.select(
                log_parts.c.kind,
                sa.func.min(log_parts.c.first),
                sa.func.max(log_parts.c.last),
                sa.func.max(log_parts.c.part),
            )
            .where(log_parts.c.endpoint == endpoint)
            .group_by(log_parts.c.kind)
        )
        with self.db.read() as conn:
            found = {kind: rest for kind, *rest in conn.execute(query)}
        if "predictions" not in found:
            return None
        first, last, parts = found["predictions"]
        return Extent(first, last, parts, found["feedback"][2] if "feedback" in found else 0)

    def predictions(
        self,
        endpoint: str,
        start: int | None = None,
        end: int | None = None,
        shadow: bool = False,
        schema: Schema | None = None,
    ) -> pl.DataFrame:
        """Rows with event times in ``[start, end)`` (ms), by time.

        Columns: ``id, time, version, arm, y, p, latency, error`` and the features; a feature with
        one of these names is called ``x.NAME``. With a ``schema`` there are exactly its features,
        each of its kind's type. Rows of shadow versions only when asked for.
        """
        frame = self._rows(endpoint, start, end, shadow)
        features = [name for name in frame.columns if name.startswith(FEATURE)]
        plain = {n: n[len(FEATURE) :] for n in features if n[len(FEATURE) :] not in _META}
        if schema is not None:
            typed = typed_features(frame, schema).values()
            columns = [c.alias(FEATURE + c.name) if c.name in _META else c for c in typed]
            return frame.select(_META).hstack(columns)
        return frame.select(*_META, *features).rename(plain)

    def labels(
        self,
        endpoint: str,
        ids: pl.Series | Sequence[str] | None = None,
        since: int | None = None,
    ) -> pl.DataFrame:
        """``id``, ``label`` and ``at`` (when it came, ms), the last label of each id.

        ``ids``: only of these. ``since``: only labels that came then or later.
        """
        found = self._label_texts(endpoint, ids, since)
        return found.with_columns(label_values(found["label"]))

    def labelled(
        self,
        endpoint: str,
        schema: Schema,
        until: int | None = None,
        exclude: Sequence[tuple[int, int]] = (),
        since: int | None = None,
    ) -> pl.DataFrame:
        """Predicted rows whose labels have come, shaped like the training frame, by time.

        Columns: the schema's id and time where it names them, its features, each of its kind's
        type, and the target. ``until`` and ``since`` bound the event time; rows in an ``exclude``
        window (``[start, end)``, ms) are left out. An id that was asked about twice appears once,
        as it was the last time. Labels that are no class of the schema are left out.
        """
        rows = self._rows(endpoint, since, until, shadow=False, exclude=exclude, drop=ANSWER)
        rows = rows.unique("id", keep="last", maintain_order=True)
        found = self._label_texts(endpoint, rows["id"], None)
        joined = rows.join(found.select("id", "label"), on="id", how="inner", maintain_order="left")
        target = target_column(joined["label"], schema)
        columns = list(typed_features(joined, schema).values())
        if schema.time is not None:
            columns.insert(0, joined["time"].alias(schema.time))
        if schema.id is not None:
            columns.insert(0, joined["id"].alias(schema.id))
        frame = pl.DataFrame([*columns, target.alias(schema.target)])
        return frame.filter(target.is_not_null())

    def codes(self, endpoint: str, ids: pl.Series, schema: Schema) -> NDArray[np.float64]:
        """The label of each id: class code or number; NaN where none has come."""
        found = self._label_texts(endpoint, ids, None)
        joined = pl.DataFrame({"id": ids}).join(
            found.select("id", "label"), on="id", how="left", maintain_order="left"
        )
        return label_codes(joined["label"], schema)

    def counts(self, endpoint: str, since: int = 0) -> dict[int, tuple[int, int]]:
        """``{version: (requests, failed)}`` of requests that came at ``since`` (ms) or later."""
        where = log_parts.c.created >= since
        names = ["request", "version", "arm", "at", "error"]
        seen = [
            from_parquet(self.blobs.get(part.digest), names).filter(
                pl.col("at") >= since, pl.col("arm") != "shadow"
            )
            for part in self._parts(endpoint, "predictions", where)
        ]
        if not seen:
            return {}
        counted = (
            pl.concat(seen)
            .group_by("version")
            .agg(
                requests=pl.col("request").n_unique(),
                failed=pl.col("request").filter(pl.col("error").is_not_null()).n_unique(),
            )
        )
        return {row["version"]: (row["requests"], row["failed"]) for row in counted.to_dicts()}

    def next_time(self, endpoint: str, start: int) -> int | None:
        """The first event time at or after ``start``, or None."""
        least: int | None = None
        for part in self._parts(endpoint, "predictions", log_parts.c.last >= start):
            if least is not None and part.first >= least:
                continue
            first = part.first
            if first < start:
                times = from_parquet(self.blobs.get(part.digest), ["time"])["time"]
                first = times.filter(times >= start).min()  # type: ignore[assignment]
            least = first if least is None else min(least, first)
        return least

    def newest_part(self, endpoint: str, start: int, end: int) -> int:
        """Number of the newest part with times in ``[start, end)``; 0 when there is none."""
        inside = (log_parts.c.last >= start) & (log_parts.c.first < end)
        return max((p.number for p in self._parts(endpoint, "predictions", inside)), default=0)

    # -- parts -----------------------------------------------------------------------------------

    def _parts(self, endpoint: str, kind: str, *where: sa.ColumnElement[bool]) -> list[Part]:
        query = (
            sa.select(log_parts.c.part, log_parts.c.digest, log_parts.c.first, log_parts.c.last)
            .where(log_parts.c.endpoint == endpoint, log_parts.c.kind == kind, *where)
            .order_by(log_parts.c.part)
        )
        with self.db.read() as conn:
            return [Part(*row) for row in conn.execute(query)]

    def _rows(
        self,
        endpoint: str,
        start: int | None,
        end: int | None,
        shadow: bool,
        exclude: Sequence[tuple[int, int]] = (),
        drop: Sequence[str] = (),
    ) -> pl.DataFrame:
        """Answered rows by time, features under their prefixed names, without ``drop``."""
        where = []
        if start is not None:
            where.append(log_parts.c.last >= start)
        if end is not None:
            where.append(log_parts.c.first < end)
        keep = pl.col("error").is_null()
        if start is not None:
            keep &= pl.col("time") >= start
        if end is not None:
            keep &= pl.col("time") < end
        if not shadow:
            keep &= pl.col("arm") != "shadow"
        for low, high in exclude:
            keep &= ~pl.col("time").is_between(low, high, closed="left")
        found = [
            rows.drop(drop)
            for part in self._parts(endpoint, "predictions", *where)
            if (rows := from_parquet(self.blobs.get(part.digest)).filter(keep)).height
        ]
        if not found:
            return _EMPTY
        frame = pl.concat(_alike(found), how="diagonal_relaxed")
        return frame.sort("time", maintain_order=True).with_columns(pl.col("time").cast(MILLIS))

    def _label_texts(
        self, endpoint: str, ids: pl.Series | Sequence[str] | None, since: int | None
    ) -> pl.DataFrame:
        """Last label of each id; newest parts first, and no further than needed."""
        where = [] if since is None else [log_parts.c.last >= since]
        parts = self._parts(endpoint, "feedback", *where)
        wanted = None if ids is None else pl.DataFrame({"id": pl.Series(ids, dtype=pl.String)})
        wanted = None if wanted is None else wanted.unique()
        found = pl.DataFrame(schema={"id": pl.String, "at": pl.Int64, "label": pl.String})
        newest_first = sorted(parts, key=lambda p: (p.last, p.number), reverse=True)
        for batch in _doubling(newest_first):
            if _complete(found, wanted, batch[0]):
                break
            frames = [self._labels_in(part, wanted, since) for part in batch]
            # Earlier parts go first, so that of labels with one time the later part's wins.
            both = pl.concat([*reversed(frames), found]).sort("at", maintain_order=True)
            found = both.unique("id", keep="last", maintain_order=True)
        return found.filter(pl.col("label") != "null")

    def _labels_in(
        self, part: Part, wanted: pl.DataFrame | None, since: int | None
    ) -> pl.DataFrame:
        frame = from_parquet(self.blobs.get(part.digest))
        if wanted is not None:
            frame = frame.join(wanted, on="id", how="semi", maintain_order="left")
        return frame if since is None else frame.filter(pl.col("at") >= since)


def typed_features(frame: pl.DataFrame, schema: Schema) -> dict[str, pl.Series]:
    """The schema's features in a frame of the log, each of its kind's type.

    A feature that was not sent is missing; a value of another kind, which no request can bring
    while its version serves, counts as missing too.
    """
    out: dict[str, pl.Series] = {}
    for feature in schema.features:
        name = FEATURE + feature.name
        column = frame[name] if name in frame.columns else pl.repeat(None, frame.height, eager=True)
        try:
            typed = as_kind(column, feature.kind)
        except InvalidInput:
            none = pl.Series(name, [None] * frame.height, dtype=pl.Null)
            text = column.cast(pl.String, strict=False)
            number = text.cast(pl.Float64, strict=False)
            typed = as_kind(number if feature.kind == "number" else none, feature.kind)
        out[feature.name] = typed.alias(feature.name)
    return out


def _doubling(parts: list[Part]) -> Iterator[list[Part]]:
    """The parts in batches of 1, 2, 4, …: soon at an end, and few merges when all are needed."""
    start, size = 0, 1
    while start < len(parts):
        yield parts[start : start + size]
        start, size = start + size, size * 2


def _complete(found: pl.DataFrame, wanted: pl.DataFrame | None, part: Part) -> bool:
    """Whether no label in this part or an earlier one can change what was found."""
    if wanted is None or found.height < wanted.height:
        return False
    return wanted.height == 0 or bool((found["at"] > part.last).all())


def _alike(frames: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Frames whose columns can be stacked: where types clash the column becomes text."""
    kinds: dict[str, set[str]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            if dtype != pl.Null:
                group = "number" if dtype.is_numeric() else str(dtype)
                kinds.setdefault(name, set()).add(group)
    clash = [name for name, groups in kinds.items() if len(groups) > 1]
    for frame in frames:
        yield frame.with_columns(pl.col(n).cast(pl.String) for n in clash if n in frame.columns)


_EMPTY = pl.DataFrame(
    schema={
        "id": pl.String,
        "time": MILLIS,
        "at": pl.Int64,
        "request": pl.String,
        "version": pl.Int64,
        "arm": pl.String,
        "p": pl.List(pl.Float64),
        "latency": pl.Float64,
        "error": pl.String,
        "y": pl.Null,
    }
)
