"""What the native client sends: records, each of one run, kept whole or not at all.

A client numbers its records. The number of the newest one that is kept is written in the same
transaction as its content, so that a record which is sent again (after a lost answer, or by the
process that finds what a dead one left) changes nothing.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import sqlalchemy as sa

from everloop.errors import InvalidInput, invalid
from everloop.store.clock import now_ms
from everloop.store.dialect import upsert_newer
from everloop.store.tables import run_clients, runs
from everloop.tracking.checks import check_run_id
from everloop.tracking.columns import Columns, keep_columns
from everloop.tracking.runs import ENDED, RUN_NAME, RunStore, active, keep_params, keep_tags

FORGOTTEN_AFTER = 90 * 86_400_000
"""Milliseconds after which a silent client's number is forgotten."""

_ADVANCE = upsert_newer(
    run_clients, ["client"], ["sequence", "updated"], by=["sequence"]
).returning(run_clients.c.client)


class Begin(msgspec.Struct, frozen=True, omit_defaults=True):
    """A new run of ``experiment``, which is made when it is new; without one a run that goes on."""

    experiment: str | None = None
    name: str | None = None
    user: str = ""
    started: int | None = None
    tags: dict[str, str] = {}


class End(msgspec.Struct, frozen=True):
    """How and when a run ended."""

    status: Literal["FINISHED", "FAILED", "KILLED"]
    finished: int


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One record: parts of it happen in the order of the fields."""

    client: str  # 32 hexadecimal digits
    sequence: int  # 1, 2, 3 … of this client
    run: str
    begin: Begin | None = None
    points: Columns | None = None
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    end: End | None = None


_decoder = msgspec.msgpack.Decoder(Record)


def decode_record(raw: bytes) -> Record:
    """A record from its MessagePack form; raises InvalidInput for anything else."""
    try:
        record = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"body: not a record: {error}.",
            code="invalid_record",
            path="$",
            expected="a record in MessagePack",
        ) from None
    check_run_id(record.run)
    if len(record.client) != 32 or not set(record.client) <= set("0123456789abcdef"):
        raise invalid("client", record.client, "32 hexadecimal digits")
    if not 0 < record.sequence < 2**63:
        raise invalid("sequence", record.sequence, "a whole number from 1 on")
    return record


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
            row = active(conn, record.run)
            if record.points is not None:
                keep_columns(conn, row.number, row.experiment, record.points)
            if record.params:
                keep_params(conn, row, record.run, record.params)
            if record.tags:
                keep_tags(conn, row.number, row.experiment, record.tags)
            change = _changes(record)
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
