"""The event log (store.events): who did what; append-only, chained by hashes."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Millis, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(512), nullable=False),
    json_text("payload"),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("ix_events_subject_seq", "subject", "seq"),
    sa.Index("ix_events_kind_seq", "kind", "seq"),
    sa.Index("ix_events_actor_seq", "actor", "seq"),
    sa.Index("ix_events_at", "at"),
)
# One row: the newest seq and hash, signed, so that a cut-off tail is found too.
event_head = sa.Table(
    "event_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("signature", sa.String(128), nullable=False),
)
