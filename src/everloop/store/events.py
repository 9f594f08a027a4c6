"""Who did what: an append-only log in which every event carries the hash of the one before.

The newest sequence number and hash are signed, so a chain that was rewritten from some event on,
or cut off at its end, is found too. What nobody can find from inside the database is that all of
it, signature included, was put back to an earlier state: keep :attr:`Audit.anchor` elsewhere now
and then, and hand it to :meth:`EventLog.verify`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import Integrity, invalid
from everloop.store.audit import Audit, audit
from everloop.store.chain import GENESIS, Head, Signer, event_hash, head_message, read_head
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import serialise, upsert
from everloop.store.tables import event_head, events
from everloop.store.texts import check_short

__all__ = ["Audit", "Event", "EventLog", "Signer", "Wanted"]

MAX_PAYLOAD = 1024 * 1024
"""Largest payload in bytes, as JSON."""

MAX_PAGE = 1000
"""Most events in one answer."""

_LENGTHS = {"actor": 255, "kind": 64, "subject": 512}
_LOCK = "everloop.events"


class Event(msgspec.Struct, frozen=True):
    """One event; ``subject`` is what it is about, as ``model:flights``."""

    seq: int
    at: int
    actor: str
    kind: str
    subject: str
    payload: dict[str, Any]
    previous: str
    hash: str


class Wanted(msgspec.Struct, frozen=True):
    """Which events: empty text and None ask for all. A kind or a subject that ends in ``*`` asks
    for all that begin so; ``since <= at < until`` in milliseconds."""

    kind: str = ""
    actor: str = ""
    subject: str = ""
    since: int | None = None
    until: int | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        found: list[sa.ColumnElement[bool]] = []
        for name in ("kind", "actor", "subject"):
            column, text = events.c[name], getattr(self, name)
            if text.endswith("*"):
                found.append(column.startswith(text[:-1], autoescape=True))
            elif text:
                found.append(column == text)
        if self.since is not None:
            found.append(events.c.at >= self.since)
        if self.until is not None:
            found.append(events.c.at < self.until)
        return found


class EventLog:
    """The log in ``db``, its head signed by ``signer``."""

    def __init__(self, db: Database, signer: Signer) -> None:
        self.db = db
        self.signer = signer

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A write transaction that will append.

        It takes the chain's lock before any other, so that two of them cannot wait for each
        other; they pass one after another over all processes.
        """
        with self.db.write() as conn:
            serialise(conn, _LOCK)
            yield conn

    def append(
        self, conn: sa.Connection, *, actor: str, kind: str, subject: str, payload: dict[str, Any]
    ) -> int:
        """Add an event in the caller's transaction; returns its sequence number, from 1.

        Open the transaction with :meth:`transaction` when it writes anything else.

        Raises :class:`~everloop.errors.Integrity` when the head is not signed by a trusted key:
        going on would put our signature under a chain that somebody else wrote.
        """
        text = _checked({"actor": actor, "kind": kind, "subject": subject}, payload)
        serialise(conn, _LOCK)
        head = self._trusted_head(conn)
        seq, previous = (head.seq + 1, head.hash) if head else (1, GENESIS)
        at = now_ms()
        digest = event_hash(previous, seq, at, actor, kind, subject, text)
        conn.execute(
            sa.insert(events).values(
                seq=seq,
                at=at,
                actor=actor,
                kind=kind,
                subject=subject,
                payload=text,
                previous=previous,
                hash=digest,
            )
        )
        signature = self.signer.sign(head_message(seq, digest))
        conn.execute(
            upsert(event_head, ["id"], ["seq", "hash", "signature"]),
            {"id": 1, "seq": seq, "hash": digest, "signature": signature},
        )
        return seq

    def page(self, after: int = 0, limit: int = 100, subject: str | None = None) -> list[Event]:
        """Events in order from the one after ``after``; at most ``limit`` and 1000."""
        query = sa.select(events).where(events.c.seq > after).order_by(events.c.seq)
        return self._read(query, limit, subject)

    def latest(
        self, limit: int = 100, subject: str | None = None, kinds: Collection[str] = ()
    ) -> list[Event]:
        """The newest events, newest first; of some ``kinds`` alone where they are given."""
        query = sa.select(events).order_by(events.c.seq.desc())
        if kinds:
            query = query.where(events.c.kind.in_(kinds))
        return self._read(query, limit, subject)

    def find(self, wanted: Wanted, before: int | None = None, limit: int = 100) -> list[Event]:
        """The newest events of those wanted, newest first; ``before`` is the last one's number."""
        query = sa.select(events).order_by(events.c.seq.desc()).where(*wanted.conditions())
        if before is not None:
            query = query.where(events.c.seq < before)
        return self._read(query, limit, None)

    def between(self, start: int, end: int, limit: int = MAX_PAGE) -> list[Event]:
        """Events with ``start <= at < end`` (ms), newest first."""
        inside = (events.c.at >= start) & (events.c.at < end)
        query = sa.select(events).where(inside).order_by(events.c.seq.desc())
        return self._read(query, limit, None)

    def verify(self, anchor: str | None = None) -> Audit:
        """Find any change of the log: a changed, deleted, inserted or cut-off event.

        ``anchor`` is what an earlier :attr:`Audit.anchor` said. Memory does not grow with the
        log; 10,000 events take about a tenth of a second.
        """
        try:
            with self.db.read() as conn:
                return audit(conn, self.signer, anchor)
        except Integrity as error:  # a row that cannot even be read
            return Audit(False, 0, None, error.message, "")

    def _read(self, query: sa.Select[Any], limit: int, subject: str | None) -> list[Event]:
        if subject is not None:
            query = query.where(events.c.subject == subject)
        with self.db.read() as conn:
            rows = conn.execute(query.limit(max(1, min(limit, MAX_PAGE)))).all()
        return [_event(row) for row in rows]

    def _trusted_head(self, conn: sa.Connection) -> Head | None:
        head = read_head(conn)
        if head is None:
            if conn.execute(sa.select(events.c.seq).limit(1)).first():
                raise self._tampered("its signed head is missing")
            return None
        if not head.signed_by(self.signer):
            raise self._tampered("its head is not signed by a trusted key")
        return head

    @staticmethod
    def _tampered(reason: str) -> Integrity:
        return Integrity(
            f"The event log was changed from outside, or belongs to another key: {reason}.",
            code="event_log_tampered",
            fix="Run `everloop audit verify`; after a change of keys, trust the old public key.",
        )


def _event(row: Any) -> Event:
    values = dict(row._mapping)
    values["payload"] = msgspec.json.decode(row.payload)
    return Event(**values)


def _checked(names: dict[str, str], payload: dict[str, Any]) -> str:
    for name, value in names.items():
        check_short(f"event.{name}", value, _LENGTHS[name])
    data = msgspec.json.encode(payload, order="deterministic")
    if len(data) > MAX_PAYLOAD:
        raise invalid("event.payload", f"<{len(data)} bytes>", f"at most {MAX_PAYLOAD} bytes")
    return data.decode()
