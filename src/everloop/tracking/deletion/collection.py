"""One pass of deletion, batch after batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import NotFound
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.dialect import serialise
from everloop.store.references import LOCK, free
from everloop.store.tables import experiments, logged_models, run_models, runs
from everloop.tracking.artifacts.paths import key_of
from everloop.tracking.artifacts.store import ArtifactStore, delete_files, delete_tree, prune
from everloop.tracking.artifacts.uploads import Uploads
from everloop.tracking.deletion.readers import read_by_versions
from everloop.tracking.deletion.rows import delete_rows, delete_runs
from everloop.tracking.experiments import own_location

BATCH = 100
"""Runs, models or experiments at a time."""

FILES = 1000
"""Artifacts deleted in one transaction."""

DEFAULT = 0
"""The experiment that is always there."""

_GONE = "gone"  # an id that begins so is no run's any more


class Collected(msgspec.Struct, kw_only=True):
    """What was freed, or would be.

    Attributes
    ----------
    runs, models, experiments : how many are gone; with ``rows`` of theirs and ``files`` of
        artifacts.
    uploads : in parts, begun and never ended.
    blobs, bytes : content that nothing refers to any more. In a dry run the sizes of files count
        in full, though other names may share their content.
    log_rows : rows and labels of prediction logs past their ``monitor.log.keep``.
    kept : runs and models that stay since a registered version reads from them.
    elsewhere : runs and models whose artifacts lie in another place, which is not touched.
    seconds : how long it took.
    """

    runs: int = 0
    models: int = 0
    experiments: int = 0
    rows: int = 0
    files: int = 0
    uploads: int = 0
    blobs: int = 0
    bytes: int = 0
    log_rows: int = 0
    kept: int = 0
    elsewhere: int = 0
    seconds: float = 0.0
    dry_run: bool = False


Progress = Callable[[Collected], None]


class Collection:
    """One pass, its parts in order; ``done`` counts.

    ``before`` is when the newest of what goes was deleted, ``young`` when a blob that nothing
    refers to is too young to go, both in milliseconds since 1970.
    """

    dry_run = False

    def __init__(
        self, db: Database, blobs: Blobs, before: int, young: int, on_progress: Progress
    ) -> None:
        self.db = db
        self.blobs = blobs
        self.before = before
        self.young = young
        self.on_progress = on_progress
        self.done = Collected(dry_run=self.dry_run)

    def run(self) -> Collected:
        for rows in self._doomed(runs.c.number):
            self.done.runs += self.free_runs(rows)
            self.on_progress(self.done)
        for rows in self._doomed(logged_models.c.id):
            self.done.models += self.free_models(rows)
            self.on_progress(self.done)
        for rows in _batches(self.db, self.empty_experiments(), experiments.c.id):
            self.done.experiments += self.free_experiments(rows)
            self.on_progress(self.done)
        self.done.uploads += self.end_uploads()
        for page in self.blobs.scan():
            self.free_blobs({s.digest: s.size for s in page if s.updated < self.young})
            self.on_progress(self.done)
        return self.done

    def free_runs(self, rows: Sequence[Any]) -> int:
        """Runs, and all that was logged to them."""
        numbers = self._take([row.key for row in rows])
        self._free_trees(row.location for row in rows if row.key in numbers)
        self.done.rows += delete_runs(self.db, numbers)
        return len(numbers)

    def free_models(self, rows: Sequence[Any]) -> int:
        """Logged models."""
        ids = [row.key for row in rows]
        self._free_trees(row.location for row in rows)
        with self.db.write() as conn:
            self.done.rows += delete_rows(conn, logged_models.c.id, ids)
            made = sa.delete(run_models).where(run_models.c.model.in_(ids))
            self.done.rows += conn.execute(made).rowcount
        return len(ids)

    def empty_experiments(self) -> sa.Select[Any]:
        """Experiments that were deleted and hold nothing any more."""
        query = sa.select(experiments.c.id, experiments.c.location)
        query = query.where(experiments.c.deleted < self.before, experiments.c.id != DEFAULT)
        for table in (runs, logged_models):
            query = query.where(~sa.exists().where(table.c.experiment == experiments.c.id))
        return query

    def free_experiments(self, rows: Sequence[Any]) -> int:
        """Experiments, each when it is still empty and deleted."""
        count = 0
        for row in rows:
            if row.location is None:
                self._free_trees([own_location(row.id, None)])
            still = self.empty_experiments().where(experiments.c.id == row.id)
            with self.db.write() as conn:
                if conn.execute(still.with_for_update(of=experiments)).first() is not None:
                    self.done.rows += delete_rows(conn, experiments.c.id, [row.id])
                    count += 1
        return count

    def end_uploads(self) -> int:
        """Uploads in parts that nobody goes on with, and files of processes that were killed."""
        self.blobs.sweep()
        uploads = Uploads(ArtifactStore(self.db, self.blobs))
        count = 0
        while found := uploads.stale(self.young):
            for upload in found:
                try:
                    uploads.abort(upload)
                except NotFound:
                    continue  # ended meanwhile
                count += 1
        return count

    def free_blobs(self, old: dict[str, int]) -> None:
        """Those of the blobs that nothing refers to; their sizes are given."""
        self._free(old, self.young)

    def _doomed(self, key: sa.Column[Any]) -> Iterator[list[Any]]:
        """Rows deleted by themselves or with their experiment, that no version reads from."""
        table = key.table
        gone = sa.select(experiments.c.id).where(experiments.c.deleted < self.before)
        query = sa.select(key.label("key"), table.c.location)
        query = query.where((table.c.deleted < self.before) | table.c.experiment.in_(gone))
        for rows in _batches(self.db, query, key):
            with self.db.read() as conn:
                read = read_by_versions(conn, {row.location for row in rows})
            free = [row for row in rows if row.location not in read]
            self.done.kept += len(rows) - len(free)
            if free:
                yield free

    def _take(self, numbers: Sequence[int]) -> list[int]:
        """Put runs out of reach; those restored meanwhile stay and are left out."""
        gone = sa.select(experiments.c.id).where(experiments.c.deleted < self.before)
        doomed = (runs.c.deleted < self.before) | runs.c.experiment.in_(gone)
        taken = []
        with self.db.write() as conn:
            for number in numbers:
                take = sa.update(runs).where(runs.c.number == number, doomed)
                if conn.execute(take.values(id=f"{_GONE}{number:028d}")).rowcount:
                    taken.append(number)
        return taken

    def _free_trees(self, locations: Iterable[str]) -> None:
        """Delete the artifacts at each place, and the blobs that only they referred to."""
        for key in self._keys(locations):
            more = True
            while more:
                with self.db.write() as conn:
                    serialise(conn, LOCK)
                    digests = delete_files(conn, key, FILES)
                    more = len(digests) == FILES
                    if not more:
                        delete_tree(conn, key)
                        prune(conn, key)
                self.done.files += len(digests)
                self._free(digests)

    def _keys(self, locations: Iterable[str]) -> Iterator[str]:
        for location in locations:
            try:
                if key := key_of(location):
                    yield key
            except NotFound:
                self.done.elsewhere += 1

    def _free(self, digests: Iterable[str], before: int | None = None) -> None:
        freed = free(self.db, self.blobs, set(digests), before)
        self.done.blobs += freed.blobs
        self.done.bytes += freed.bytes


def _batches(db: Database, query: sa.Select[Any], key: sa.Column[Any]) -> Iterator[list[Any]]:
    place = None
    while True:
        page = query if place is None else query.where(key > place)
        with db.read() as conn:
            rows = list(conn.execute(page.order_by(key).limit(BATCH)))
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        place = rows[-1][0]
