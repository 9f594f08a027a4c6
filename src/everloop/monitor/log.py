"""The prediction log: what was asked and answered, and the labels that came later.

The data plane appends to local segment files; :meth:`PredictionLog.ship` brings them into Parquet
parts in the object store. Reading opens only the parts whose times overlap what is asked for, one
at a time. Labels are joined when they are asked for, so it does not matter whether a label or its
prediction came first; of several labels for an id the last one counts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.merge import by_time
from everloop.data.schema import Schema
from everloop.monitor.damage import Quarantine
from everloop.monitor.drawn import actions_of, keys_of, was_drawn
from everloop.monitor.halves import Halves
from everloop.monitor.labels import label_codes, target_column
from everloop.monitor.log_parts import LogParts, Part, newest_first
from everloop.monitor.parts import (
    FEATURE,
    STRAY,
    feedback_frame,
    from_parquet,
    label_values,
    prediction_frame,
    to_parquet,
)
from everloop.monitor.selection import (
    META,
    Selection,
    features_of,
    in_order,
    last_of_each,
    newest_rows,
    once_each,
    together,
)
from everloop.monitor.shipping import Shipper
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.tables import log_parts

FEW = 50_000  # the labels of fewer ids are looked for, newest first; else all are read at once
_MISFITTING = (pl.String, pl.Float64, pl.Float32)  # columns that may hold what is no number
_TARGET = "label"  # beside features, whose names are prefixed until the end


class PredictionLog(LogParts):
    """The log of all endpoints, over the segments in ``folder`` and the parts in the store."""

    def __init__(self, db: Database, blobs: Blobs, folder: Path) -> None:
        self.halves = Halves(db, blobs)
        self.db = db
        self.blobs = blobs
        self.quarantine = Quarantine(folder)
        self._shipper = Shipper(db, blobs, folder, self.quarantine)

    def ship(self) -> int:
        """Bring what the data plane wrote into the store; returns the number of rows and labels.

        So do pairs of requests and responses that other servers sent.
        """
        return self._shipper.ship() + self.halves.join()

    def purge(self) -> int:
        """Delete local segments that are shipped and closed; returns their number."""
        return self._shipper.purge()

    # -- read ------------------------------------------------------------------------------------

    def newest(
        self, endpoint: str, before: tuple[int, str] | None = None, limit: int = 50
    ) -> pl.DataFrame:
        """Rows as they were asked for, the newest (by event time) first.

        Those that failed and those of shadows too. ``before`` is the time (ms) and the id of the
        last row had. Parts are opened from the newest on, and none that cannot hold what is
        wanted. Columns: ``id, time, at, version, arm, y, p, latency, error``, of newer parts
        ``marks`` too, and each feature under its name after ``x.``.
        """
        where = [] if before is None else [log_parts.c.first <= before[0]]
        found: list[pl.DataFrame] = []
        rows, least = 0, 0
        for part in newest_first(self._parts(endpoint, "predictions", *where)):
            if rows >= limit and part.last < least:
                break
            some = newest_rows(self._read(part), before, limit)
            if some.height:
                found.append(some)
                have = together(found).sort(["time", "id"], descending=True).head(limit)
                found, rows, least = [have], have.height, have["time"].to_list()[-1]
        return found[0] if found else newest_rows(to_parquet(prediction_frame([])), None, limit)

    def predictions(
        self,
        endpoint: str,
        start: int | None = None,
        end: int | None = None,
        shadow: bool = False,
        schema: Schema | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> pl.DataFrame:
        """Rows with event times in ``[start, end)`` (ms), by time.

        Columns: ``id, time, version, arm, y, p, latency, error`` and the features; a feature with
        one of these names is called ``x.NAME``. With a ``schema`` there are exactly its features,
        each of its kind's type, the ``hidden`` ones null. Rows of shadow versions only when
        asked for. A request that came twice, as a caller's second try does, counts once.
        """
        selection = Selection(start, end, shadow, schema=schema, hidden=hidden)
        found = self._rows(endpoint, selection)
        frame = together(found) if found else _nothing(selection)
        if schema is not None:
            frame = frame.select(META).hstack(features_of(frame, schema))
        features = [name for name in frame.columns if name.startswith(FEATURE)]
        return frame.rename(
            {n: n[len(FEATURE) :] for n in features if n[len(FEATURE) :] not in META}
        )

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
        if ids is not None:
            found = found.filter(pl.col("id").is_in(pl.Series(ids, dtype=pl.String).implode()))
        return found.with_columns(label_values(found["label"]))

    def label_history(self, endpoint: str, ids: pl.Series) -> pl.DataFrame:
        """Every label that came for these ids, ``id``, ``at`` (ms) and ``label`` (JSON), by time.

        More than one a row's id are corrections; the last one counts.
        """
        wanted = pl.DataFrame({"id": ids.cast(pl.String)}).unique()
        found = [pl.DataFrame(schema={"id": pl.String, "at": pl.Int64, "label": pl.String})]
        for part in self._parts(endpoint, "feedback"):
            rows = from_parquet(self._read(part, feedback_frame))
            found.append(rows.join(wanted, on="id", how="semi", maintain_order="left"))
        return by_time(pl.concat(found), "at")

    def asked(self, endpoint: str, start: int, end: int) -> pl.DataFrame:
        """``id`` and ``at`` (of the request, ms) of answered rows with times in ``[start, end)``.

        Each id once, as it was asked the first time.
        """
        selection = Selection(start, end, meta=("id", "at"))
        parts = self._overlapping(endpoint, selection)
        found = [selection.read(self._read(p), features=False) for p in parts]
        none = pl.DataFrame(schema={"id": pl.String, "at": pl.Int64})
        rows = by_time(pl.concat([none, *found]), "at")
        return rows.filter(rows["id"].is_first_distinct())

    def unknown(self, endpoint: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of ``rows`` (of a part, one or more) whose id and time no row of the log has."""
        rows = rows.unique(["id", "time"], keep="first", maintain_order=True)
        times = rows["time"].to_numpy()
        selection = Selection(int(times.min()), int(times.max()) + 1, meta=("id", "time"))
        parts = self._overlapping(endpoint, selection)
        known = [selection.read(self._read(part), features=False) for part in parts]
        if not known:
            return rows
        have = pl.concat(known).select("id", pl.col("time").cast(pl.Int64))
        return rows.join(have, on=["id", "time"], how="anti", maintain_order="left")

    def strays(self, endpoint: str, start: int, end: int) -> dict[str, int]:
        """Columns that no feature has -> how many rows came with them."""
        found: dict[str, int] = {}
        for part in self._overlapping(endpoint, Selection(start, end)):
            rows = pl.scan_parquet(io.BytesIO(self._read(part)))
            names = [n for n in rows.collect_schema().names() if n.startswith(STRAY)]
            if names:
                inside = rows.filter(pl.col("time").is_between(start, end, closed="left"))
                (counts,) = inside.select(pl.col(names).count()).collect().to_dicts()
                for name, count in counts.items():
                    bare = name.removeprefix(STRAY)
                    found[bare] = found.get(bare, 0) + count
        return found

    def misfits(
        self, endpoint: str, start: int, end: int, schema: Schema
    ) -> dict[str, tuple[int, list[str]]]:
        """Features that are numbers -> how many values are infinite or text that is no number,
        and some of them."""
        numbers = [FEATURE + f.name for f in schema.features if f.kind == "number" and not f.shape]
        found: dict[str, tuple[int, list[str]]] = {}
        for part in self._overlapping(endpoint, Selection(start, end)):
            rows = pl.scan_parquet(io.BytesIO(self._read(part)))
            types = rows.collect_schema()
            odd = {n: _odd(n, types[n]) for n in numbers if types.get(n) in _MISFITTING}
            inside = pl.col("time").is_between(start, end, closed="left")
            values = rows.filter(inside).select(one.implode() for one in odd.values())
            for name, column in zip(odd, values.collect() if odd else (), strict=True):
                count, some = found.get(name[len(FEATURE) :], (0, []))
                texts = column.explode(empty_as_null=False).cast(pl.String)
                some = [*some, *texts.unique().sort().head(3).to_list()][:3]
                if count + len(texts):
                    found[name[len(FEATURE) :]] = count + len(texts), some
        return found

    def known_ids(self, endpoint: str, ids: pl.Series) -> pl.Series:
        """Those of the ids that some row of the log has."""
        left = pl.DataFrame({"id": ids.cast(pl.String)}).unique()
        found = [pl.Series("id", [], dtype=pl.String)]
        for part in newest_first(self._parts(endpoint, "predictions")):
            if not left.height:
                break
            rows = from_parquet(self._read(part), ["id"]).unique()
            found.append(left.join(rows, on="id", how="semi")["id"])
            left = left.join(rows, on="id", how="anti")
        return pl.concat(found)

    def labelled(
        self,
        endpoint: str,
        schema: Schema,
        until: int | None = None,
        exclude: Sequence[tuple[int, int]] = (),
        since: int | None = None,
        newest: int | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> pl.DataFrame:
        """Predicted rows whose labels have come, shaped like the training frame, by time.

        Columns: the schema's id and time where it names them, its features, each of its kind's
        type, and the target; of a bandit the action that was drawn and its propensity too.
        ``until`` and ``since`` bound the event time; rows in an ``exclude`` window
        (``[start, end)``, ms) are left out. An id that was asked about twice appears once, as it
        was the last time. Labels that are no class of the schema are left out. ``newest``: parts
        before those with so many answered rows are not read. ``hidden`` features are null.
        """
        selection = Selection(
            since, until, exclude=exclude, meta=keys_of(schema), schema=schema, hidden=hidden
        )
        parts = self._keys(endpoint, selection, newest)
        if not parts:
            none = target_column(pl.Series(dtype=pl.String), schema).alias(_TARGET)
            return _training_frame(_nothing(selection).with_columns(none), schema)
        keys = pl.concat(list(parts.values()))
        # Labels come before features: the tables of the one are gone when the other are read.
        target = target_column(self._label_of(endpoint, keys["id"]), schema).alias(_TARGET)
        keep = target.is_not_null() & last_of_each(keys) & was_drawn(keys, schema)
        found, start = [], 0
        for part, ids in parts.items():
            span = slice(start, start + ids.height)
            rows = selection.read(self._read(part))
            found.append(rows.with_columns(target[span]).filter(keep[span]))
            start = span.stop
        return _training_frame(together(in_order(found)), schema)

    def codes(self, endpoint: str, ids: pl.Series, schema: Schema) -> NDArray[np.float64]:
        """The label of each id: class code or number; NaN where none has come.

        Of several labels a row, a row of 0 and 1 for each id.
        """
        return label_codes(self._label_of(endpoint, ids), schema)

    # -- parts -----------------------------------------------------------------------------------

    def _rows(self, endpoint: str, selection: Selection) -> list[pl.DataFrame]:
        """The parts that hold any of the rows, by time."""
        twice = replace(selection, meta=(*selection.meta, "request"))
        found = [
            rows
            for part in self._overlapping(endpoint, selection)
            if (rows := twice.read(self._read(part))).height
        ]
        return in_order(once_each(found)) if found else []

    def _keys(
        self, endpoint: str, selection: Selection, newest: int | None
    ) -> dict[Part, pl.DataFrame]:
        """Ids and times by part, oldest first; of the last parts with ``newest`` rows if given."""
        found: dict[Part, pl.DataFrame] = {}
        rows = 0
        for part in newest_first(self._overlapping(endpoint, selection)):
            if newest is not None and rows >= newest:
                break
            keys = selection.read(self._read(part), features=False)
            if keys.height:
                found[part] = keys
                rows += keys.height
        return dict(reversed(found.items()))

    def _label_of(self, endpoint: str, ids: pl.Series) -> pl.Series:
        """The last label of each id as JSON text, null where none has come."""
        found = self._label_texts(endpoint, ids, None).select("id", "label")
        joined = ids.to_frame("id").join(found, on="id", how="left", maintain_order="left")
        return joined["label"]

    def _label_texts(
        self, endpoint: str, ids: pl.Series | Sequence[str] | None, since: int | None
    ) -> pl.DataFrame:
        """Last label of each id, of a few newest parts first and no further than needed.

        Of many ids, of others too.
        """
        where = [] if since is None else [log_parts.c.last >= since]
        parts = self._parts(endpoint, "feedback", *where)
        wanted = None
        if ids is not None and len(ids) < FEW:
            wanted = pl.DataFrame({"id": pl.Series(ids, dtype=pl.String)}).unique()
        found = pl.DataFrame(schema={"id": pl.String, "at": pl.Int64, "label": pl.String})
        for batch in _batches(newest_first(parts), doubling=wanted is not None):
            if _complete(found, wanted, batch[0]):
                break
            # Earlier parts go first, so that of labels with one time the later part's wins.
            frames = [from_parquet(self._read(part, feedback_frame)) for part in reversed(batch)]
            fresh = pl.concat(frames)
            if wanted is not None:
                fresh = fresh.join(wanted, on="id", how="semi", maintain_order="left")
            if since is not None:
                fresh = fresh.filter(pl.col("at") >= since)
            both = by_time(pl.concat([fresh, found]), "at")
            found = both.filter(both["id"].is_last_distinct())
        return found.filter(pl.col("label") != "null")


def _batches(parts: list[Part], doubling: bool) -> Iterator[list[Part]]:
    """All parts at once, or 1, 2, 4, … of them: soon at an end, and few merges if not."""
    start, size = 0, 1 if doubling else len(parts)
    while start < len(parts):
        yield parts[start : start + size]
        start, size = start + size, size * 2


def _complete(found: pl.DataFrame, wanted: pl.DataFrame | None, part: Part) -> bool:
    """Whether no label in this part or an earlier one can change what was found."""
    if wanted is None or found.height < wanted.height:
        return False
    return wanted.height == 0 or bool((found["at"] > part.last).all())


def _training_frame(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The schema's id, time, features and target, under their own names."""
    columns = [c.alias(c.name[len(FEATURE) :]) for c in features_of(rows, schema)]
    if schema.time is not None:
        columns.insert(0, rows["time"].alias(schema.time))
    if schema.id is not None:
        columns.insert(0, rows["id"].alias(schema.id))
    return pl.DataFrame([*columns, *actions_of(rows, schema), rows[_TARGET].alias(schema.target)])


def _nothing(selection: Selection) -> pl.DataFrame:
    """No rows, with the columns that some would have."""
    return in_order([selection.read(to_parquet(prediction_frame([])))])[0]


def _odd(name: str, dtype: pl.DataType) -> pl.Expr:
    """The values of a number's column, of floats or of text, that are no finite numbers."""
    column = pl.col(name)
    if dtype != pl.String:
        return column.filter(column.is_infinite())
    number = column.str.strip_chars().cast(pl.Float64, strict=False)
    return column.filter(column.is_not_null() & number.is_finite().not_().fill_null(True))
