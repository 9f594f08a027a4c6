"""What a pass would delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.store.references import referred
from everloop.store.tables import artifacts, experiments, logged_models, runs
from everloop.tracking.artifacts.store import ArtifactStore, below
from everloop.tracking.artifacts.uploads import Uploads
from everloop.tracking.deletion.collection import DEFAULT, Collection
from everloop.tracking.deletion.rows import children


class Preview(Collection):
    """The same pass, but it only counts."""

    dry_run = True

    def free_runs(self, rows: Sequence[Any]) -> int:
        return self._count(runs, rows)

    def free_models(self, rows: Sequence[Any]) -> int:
        return self._count(logged_models, rows)

    def empty_experiments(self) -> sa.Select[Any]:
        return sa.select(experiments.c.id.label("key"), experiments.c.location).where(
            experiments.c.deleted < self.before, experiments.c.id != DEFAULT
        )

    def free_experiments(self, rows: Sequence[Any]) -> int:
        return self._count(experiments, rows, artifacts_too=False)

    def end_uploads(self) -> int:
        uploads = Uploads(ArtifactStore(self.db, self.blobs))
        return len(uploads.stale(self.young, limit=10_000))

    def free_blobs(self, old: dict[str, int]) -> None:
        with self.db.read() as conn:
            unused = set(old) - referred(conn, old)
        self.done.blobs += len(unused)
        self.done.bytes += sum(old[digest] for digest in unused)

    def _count(self, table: sa.Table, rows: Sequence[Any], artifacts_too: bool = True) -> int:
        keys = [row.key for row in rows]
        with self.db.read() as conn:
            for column in children(table):
                if column.table not in (runs, logged_models):  # which count by themselves
                    query = sa.select(sa.func.count()).where(column.in_(keys))
                    self.done.rows += conn.execute(query).scalar_one()
            self.done.rows += len(keys)
            for key in self._keys(row.location for row in rows if artifacts_too):
                size = sa.func.coalesce(sa.func.sum(artifacts.c.size), 0)
                found: sa.Select[Any] = sa.select(sa.func.count(artifacts.c.digest), size)
                files, total = conn.execute(found.where(below(key))).one()
                self.done.files += files
                self.done.bytes += int(total)
        return len(keys)
