"""Dataset versions: what a model was trained on, kept by content so that it can be had again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any, cast

import msgspec
import polars as pl
import sqlalchemy as sa

from everloop.data.references import Reference
from everloop.data.schema import Schema
from everloop.errors import NotFound
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore
from everloop.store.references import refer
from everloop.store.tables import datasets

_ROW_GROUP = 1 << 17
_BATCH = 1 << 15
_REFERENCE = "reference"  # in the stored origin
_READ_CELLS = 1 << 22  # read at once for batches: a row group of up to 32 columns
_HELD_BYTES = 1 << 29  # of a snapshot just made, whose rows need not be read to train
_COUNTED = 100_000  # rows from which different values are estimated, not counted


class ColumnStatistics(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one column of a snapshot holds; ``low``, ``high`` and ``mean`` of numbers only.

    Of many rows ``distinct`` is an estimate (HyperLogLog of Flajolet et al., 2007: within 2 or
    3 %), and ``estimated`` says so.
    """

    type: str
    missing: int
    distinct: int
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    estimated: bool = False


class DatasetVersion(msgspec.Struct, frozen=True):
    """One snapshot, or rows by ``reference``; ``created`` in milliseconds UTC.

    ``digest`` is the sha256 of its Parquet file. That of a reference holds a fair sample (what
    :meth:`DatasetStore.load` reads) and in its footer what the rows are known by.
    """

    digest: str
    name: str
    rows: int
    schema: Schema
    statistics: dict[str, ColumnStatistics]
    origin: dict[str, Any]
    created: int
    reference: Reference | None = None


class DatasetStore:
    """Snapshots of tables: the rows in ``blobs``, what is known of them in ``db``."""

    def __init__(self, db: Database, blobs: Blobs) -> None:
        self._db = db
        self._blobs = blobs
        self._fresh: dict[str, pl.DataFrame] = {}

    def snapshot(
        self, df: pl.DataFrame, name: str, schema: Schema, origin: dict[str, Any]
    ) -> DatasetVersion:
        """Keep ``df`` and say where it came from (``origin``, anything that JSON can hold).

        The same rows give the same digest; when they are kept already, the version made first is
        returned as it is. This process holds the rows until it has read them by :meth:`batches`,
        or makes the next snapshot.
        """
        with ThreadPoolExecutor(1) as beside:  # writing waits for the disk
            counted = beside.submit(_statistics, df)
            version = self._keep(df, name, df.height, schema, counted.result, origin)
        self._fresh = {version.digest: df} if df.estimated_size() <= _HELD_BYTES else {}
        return version

    def refer(
        self,
        sample: pl.DataFrame,
        reference: Reference,
        name: str,
        schema: Schema,
        statistics: dict[str, ColumnStatistics],
        origin: dict[str, Any],
    ) -> DatasetVersion:
        """Keep what is known of rows that stay where they are, and a ``sample`` of them.

        The sample is its training rows, its test rows and what was ``added``, in this order.
        """
        told = {**origin, _REFERENCE: msgspec.to_builtins(reference)}
        footer = {"everloop.reference": reference.content.decode()}
        return self._keep(sample, name, reference.rows, schema, lambda: statistics, told, footer)

    def _keep(
        self,
        df: pl.DataFrame,
        name: str,
        rows: int,
        schema: Schema,
        statistics: Callable[[], dict[str, ColumnStatistics]],
        origin: dict[str, Any],
        footer: dict[str, str] | None = None,
    ) -> DatasetVersion:
        row = {
            "name": name,
            "rows": rows,
            "schema": _text(schema),
            "origin": _text(origin),
            "created": now_ms(),
        }
        insert = insert_or_ignore(datasets)

        def write(conn: sa.Connection, digests: Sequence[str]) -> str:
            conn.execute(insert, {"digest": digests[0], **row})
            return digests[0]

        with self._blobs.receive() as file:
            df.write_parquet(
                cast("IO[bytes]", file),
                compression="zstd",
                compression_level=1,  # a third less time than the default level
                row_group_size=_ROW_GROUP,
                metadata=footer,
            )
            row["statistics"] = _text(statistics())
            digest = refer(self._db, self._blobs, lambda: [self._blobs.keep(file)], write)
        return self.get(digest)

    def load(self, digest: str, first: int = 0, rows: int | None = None) -> pl.DataFrame:
        """The rows of a snapshot: ``rows`` of them from ``first`` on, by default all.

        Raises :class:`~everloop.errors.NotFound`, and :class:`~everloop.errors.Integrity` when
        the stored file is not what was written.
        """
        with self._table(digest) as table:
            return table.slice(first, rows).collect()

    def head(self, digest: str, rows: int) -> pl.DataFrame:
        """The first rows of a snapshot, of one just made those that were kept. As :meth:`load`."""
        fresh = self._fresh.get(digest)
        return self.load(digest, rows=rows) if fresh is None else fresh.head(rows)

    def sample(self, digest: str, rows: int, most: int) -> pl.DataFrame:
        """At most ``most`` of the first ``rows`` rows, evenly apart. Raises as :meth:`load`."""
        with self._table(digest) as table:
            return table.head(rows).gather_every(max(1, -(-rows // most))).collect()

    def batches(self, digest: str, rows: int, size: int = _BATCH) -> Iterator[pl.DataFrame]:
        """The first ``rows`` rows of a snapshot, ``size`` at a time. Raises as :meth:`load`."""
        fresh = self._fresh.pop(digest, None)
        if fresh is not None:
            yield from fresh.head(rows).iter_slices(size)
            return
        with self._table(digest) as table:
            width = max(len(table.collect_schema()), 1)
            # Each row group is decoded once, where it is small enough to be held.
            most = max(min(_READ_CELLS // width, _ROW_GROUP) // size, 1) * size
            for first in range(0, rows, most):
                yield from table.slice(first, min(most, rows - first)).collect().iter_slices(size)

    @contextmanager
    def _table(self, digest: str) -> Iterator[pl.LazyFrame]:
        with self._blobs.file(digest) as path:
            yield pl.scan_parquet(path, glob=False, cache=False)

    def get(self, digest: str) -> DatasetVersion:
        """What is known of a snapshot; raises :class:`~everloop.errors.NotFound`."""
        with self._db.read() as conn:
            row = conn.execute(sa.select(datasets).where(datasets.c.digest == digest)).first()
        if row is None:
            raise NotFound(
                f"There is no dataset version {digest}.", code="dataset_not_found", got=digest
            )
        return _version(row)

    def page(
        self, name: str | None = None, before: tuple[int, str] | None = None, limit: int = 100
    ) -> list[DatasetVersion]:
        """Versions, newest first; ``before`` is ``(created, digest)`` of the last one had."""
        query = sa.select(datasets).order_by(datasets.c.created.desc(), datasets.c.digest.desc())
        if name is not None:
            query = query.where(datasets.c.name == name)
        if before is not None:
            created, digest = before
            same = (datasets.c.created == created) & (datasets.c.digest < digest)
            query = query.where((datasets.c.created < created) | same)
        with self._db.read() as conn:
            return [_version(row) for row in conn.execute(query.limit(limit))]


def _statistics(df: pl.DataFrame) -> dict[str, ColumnStatistics]:
    return {series.name: _of_column(series) for series in df}


def _of_column(series: pl.Series) -> ColumnStatistics:
    missing, kind, present = series.null_count(), str(series.dtype), series.drop_nulls()
    plain = series.dtype.is_numeric() or series.dtype == pl.String
    estimated = plain and len(series) > _COUNTED
    distinct = 0
    if not series.dtype.is_nested():
        counted = present.approx_n_unique() if estimated else present.n_unique()
        distinct = int(counted)  # type: ignore[arg-type]
    low = high = mean = None
    if series.dtype.is_numeric() and len(present):
        numbers = (present.min(), present.max(), present.mean())
        low, high, mean = (float(value) for value in numbers)  # type: ignore[arg-type]
    return ColumnStatistics(kind, missing, distinct, low, high, mean, estimated)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _version(row: sa.Row[Any]) -> DatasetVersion:
    origin = msgspec.json.decode(row.origin)
    reference = origin.pop(_REFERENCE, None)
    return DatasetVersion(
        digest=row.digest,
        name=row.name,
        rows=row.rows,
        schema=msgspec.json.decode(row.schema, type=Schema),
        statistics=msgspec.json.decode(row.statistics, type=dict[str, ColumnStatistics]),
        origin=origin,
        created=row.created,
        reference=None if reference is None else msgspec.convert(reference, Reference),
    )
