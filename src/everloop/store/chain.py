"""The hash chain of the event log: how an event is hashed and how the chain's end is signed."""

from __future__ import annotations

import hashlib
from typing import Protocol

import msgspec
import sqlalchemy as sa

from everloop.store.tables import event_head

GENESIS = "0" * 64
"""What the first event carries as the hash of the one before."""


class Signer(Protocol):
    """Signs the head of the chain; :class:`everloop.registry.signing.Keys` does."""

    def sign(self, data: bytes) -> str:
        """The signature of ``data``, in hexadecimal digits."""
        ...

    def verify(self, data: bytes, signature: str) -> bool:
        """Whether a trusted key made ``signature`` over ``data``."""
        ...


class Head(msgspec.Struct, frozen=True):
    """The end of the chain: the newest event's number and hash, and their signature."""

    seq: int
    hash: str
    signature: str

    def signed_by(self, signer: Signer) -> bool:
        """Whether the signature is that of a key which ``signer`` trusts."""
        return signer.verify(head_message(self.seq, self.hash), self.signature)


def read_head(conn: sa.Connection) -> Head | None:
    """The head as it is stored, not verified; None before the first event."""
    row = conn.execute(sa.select(event_head).where(event_head.c.id == 1)).first()
    return Head(row.seq, row.hash, row.signature) if row else None


def head_message(seq: int, digest: str) -> bytes:
    """The bytes that are signed for a head; the first word keeps them apart from any other."""
    return f"everloop-event-head {seq} {digest}".encode()


def event_hash(
    previous: str, seq: int, at: int, actor: str, kind: str, subject: str, payload: str
) -> str:
    """The hash of an event: sha256 of the JSON array of its fields, ``payload`` as its text."""
    fields = (previous, seq, at, actor, kind, subject, payload)
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()
