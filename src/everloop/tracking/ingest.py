"""What the native client sends: records, each of one run, kept whole or not at all.

A client numbers its records. The number of the newest one that is kept is written in the same
transaction as its content, so that a record which is sent again (after a lost answer, or by the
process that finds what a dead one left) changes nothing.
"""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.clock import now_ms
from everloop.store.dialect import upsert_newer
from everloop.store.tables import run_clients, runs
from everloop.tracking.columns import keep_columns
from everloop.tracking.runs import ENDED, RUN_NAME, RunStore, active, keep_params, keep_tags
from everloop.tracking.wire import Begin, Record

FORGOTTEN_AFTER = 90 * 86_400_000
"""Milliseconds after which a silent client's number is forgotten."""

_ADVANCE = upsert_newer(
    run_clients, ["client"], ["sequence", "updated"], by=["sequence"]
).returning(run_clients.c.client)


class Ingest:
    """Keeps records in the database of ``runs``; may be shared by threads."""

    def __init__(self, runs: RunStore) -> None:
        self.runs = runs

    def keep(self, record: Record) -> bool:
        """Keep a record when this is the first time it comes; says whether it was.

        Raises as the stores do; then nothing of the record is kept, except that the run may
        have been begun, which is the same the second time.
        """
        if record.begin is not None:
            if self._has(record):
                return False
            self._begin(record.run, record.begin)
        with self.runs.db.write() as conn:
            if not _advance(conn, record):
                return False
            change = _changes(record)
            row = active(conn, record.run, alone=bool(change))
            if record.points is not None:
                keep_columns(conn, row.number, row.experiment, record.points)
            if record.params:
                keep_params(conn, row, record.run, record.params)
            if record.tags:
                keep_tags(conn, row.number, row.experiment, record.tags)
            if change:
                conn.execute(sa.update(runs).where(runs.c.number == row.number).values(**change))
        return True

    def _has(self, record: Record) -> bool:
        query = sa.select(run_clients.c.sequence).where(run_clients.c.client == record.client)
        with self.runs.db.read() as conn:
            return bool((conn.execute(query).scalar() or 0) >= record.sequence)

    def _begin(self, run: str, begin: Begin) -> None:
        if begin.experiment is None:
            self.runs.update(run, status="RUNNING")
        else:
            self.runs.start(
                begin.experiment,
                begin.name,
                tags=begin.tags,
                run=run,
                user=begin.user,
                started=begin.started,
            )


def _advance(conn: sa.Connection, record: Record) -> bool:
    """Whether the record is newer than all that its client has sent; from now on it is not."""
    now = now_ms()
    if record.sequence == 1:
        silent = run_clients.c.updated < now - FORGOTTEN_AFTER
        conn.execute(sa.delete(run_clients).where(silent))
    row = {"client": record.client, "sequence": record.sequence, "updated": now}
    return conn.execute(_ADVANCE, row).first() is not None


def _changes(record: Record) -> dict[str, str | int]:
    """What a record changes in the run's own row."""
    change: dict[str, str | int] = {}
    if RUN_NAME in record.tags:
        change["name"] = record.tags[RUN_NAME]
    if record.end is not None:
        assert record.end.status in ENDED
        change |= {"status": record.end.status, "finished": record.end.finished}
    return change
