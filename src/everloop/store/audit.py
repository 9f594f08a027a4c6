"""Walk the event log from its first event to its signed head and find any change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import invalid
from everloop.store.chain import GENESIS, Head, Signer, event_hash, read_head
from everloop.store.tables import events

PAGE = 200
"""Rows in memory at a time."""


class Audit(msgspec.Struct, frozen=True):
    """What an audit found.

    Attributes
    ----------
    ok : the log is as it was written.
    events : how many events were found good, from the first.
    broken_at : sequence number at which the log departs from what was written. When the chain
        was rewritten consistently only its signature tells, and this is the head's number; None
        when the database could not be read through.
    reason : what is wrong, or that nothing is.
    anchor : ``seq:hash`` of the head; kept outside the database, it shows a later audit that
        everything up to here is still there.
    """

    ok: bool
    events: int
    broken_at: int | None
    reason: str
    anchor: str


class _Broken(Exception):
    def __init__(self, seq: int, reason: str) -> None:
        self.seq = seq
        self.reason = reason


def audit(conn: sa.Connection, signer: Signer, anchor: str | None = None) -> Audit:
    """Verify the log that one transaction sees, in constant memory."""
    known = _parse_anchor(anchor)
    count, last, link = 0, 0, GENESIS
    try:
        for row in _rows(conn):
            _check_row(row, last + 1, link)
            if known and row.seq == known[0] and row.hash != known[1]:
                raise _Broken(row.seq, f"event {row.seq} is not the one the anchor names")
            count, last, link = count + 1, row.seq, row.hash
        _check_head(read_head(conn), last, link, signer)
        if known and known[0] > last:
            raise _Broken(last + 1, f"events {last + 1} to {known[0]} are missing at the end")
    except _Broken as broken:
        return Audit(False, count, broken.seq, broken.reason, "")
    return Audit(True, count, None, f"{count} events, each as it was written", f"{last}:{link}")


def _rows(conn: sa.Connection) -> Iterator[Any]:
    query = sa.select(events).order_by(events.c.seq).limit(PAGE)
    page = conn.execute(query).all()
    while page:
        yield from page
        page = conn.execute(query.where(events.c.seq > page[-1].seq)).all()


def _check_row(row: Any, expected: int, link: str) -> None:
    if row.seq > expected:
        gone = f"event {expected} is" if row.seq == expected + 1 else (
            f"events {expected} to {row.seq - 1} are"
        )  # fmt: skip
        raise _Broken(expected, f"{gone} missing")
    if row.seq < expected:
        raise _Broken(row.seq, f"event {row.seq} was inserted before the first")
    if row.previous != link:
        raise _Broken(row.seq, f"event {row.seq} does not follow from the one before it")
    found = event_hash(link, row.seq, row.at, row.actor, row.kind, row.subject, row.payload)
    if found != row.hash:
        raise _Broken(row.seq, f"event {row.seq} was changed: its hash does not fit its content")


def _check_head(head: Head | None, last: int, link: str, signer: Signer) -> None:
    if head is None:
        if last:
            raise _Broken(last, "the signed head is missing")
        return
    if not head.signed_by(signer):
        raise _Broken(head.seq, f"the head at event {head.seq} is not signed by a trusted key")
    if head.seq > last:
        raise _Broken(last + 1, f"events {last + 1} to {head.seq} are missing at the end")
    if head.seq < last:
        raise _Broken(head.seq + 1, f"event {head.seq + 1} was added without a signature")
    if head.hash != link:
        raise _Broken(last, "the chain was rewritten: its end is not the one that was signed")


def _parse_anchor(anchor: str | None) -> tuple[int, str] | None:
    if anchor is None:
        return None
    seq, _, digest = anchor.partition(":")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 17 and len(digest) == 64):
        raise invalid("anchor", anchor, "SEQ:HASH as `everloop audit verify` prints it")
    return int(seq), digest
