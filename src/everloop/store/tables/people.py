"""People and their tokens (store.people)."""

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
)
