"""Tables of what moves in and out."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

# -- tracking.moving.queue -----------------------------------------------------------------------
moves = sa.Table(
    "moves",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),  # import, export
    sa.Column("address", sa.Text, nullable=False),  # without a password
    json_text("options"),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, running, done, failed, stopped
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", Millis),  # when somebody may take it; NULL when nobody has to
    json_text("progress"),  # {what: [done, total]}
    json_text("report", nullable=True),
    json_text("error", nullable=True),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.Index("ix_moves_created", "created", "id"),
)
