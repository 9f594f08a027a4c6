"""People and their tokens (store.people), and browsers that are signed in (store.sessions)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

people = sa.Table(
    "people",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("token_sha256", sa.String(64), nullable=False, unique=True),
    json_text("roles"),
    sa.Column("may", sa.String(8), nullable=False),  # read, decide, write, admin
    sa.Column("created", Millis, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("used", Millis, nullable=True),  # about when the token was shown last
)
# Whose a session is says its token's hash, so it ends with the token; the ids are hashes too.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id_sha256", sa.String(64), primary_key=True),
    sa.Column("previous_sha256", sa.String(64), nullable=True, index=True),
    sa.Column("key", sa.String(32), nullable=False, unique=True),
    sa.Column("token_sha256", sa.String(64), nullable=False, index=True),
    sa.Column("secret", sa.String(64), nullable=False),
    sa.Column("agent", sa.String(80), nullable=False),
    sa.Column("created", Millis, nullable=False, index=True),
    sa.Column("seen", Millis, nullable=False, index=True),
    sa.Column("rotated", Millis, nullable=False),
    sa.Column("retires", Millis, nullable=True),  # when the previous id ends; null: not yet known
)
