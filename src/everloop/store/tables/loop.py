"""Loops and their cycles (loop.cycles)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

loops = sa.Table(
    "loops",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    json_text("declaration"),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)
loop_pauses = sa.Table(
    "loop_pauses",
    metadata,
    sa.Column("loop", sa.String(255), primary_key=True),  # or "*" for all of them
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("since", Millis, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
cycles = sa.Table(
    "cycles",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("loop", sa.ForeignKey("loops.name"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # running, waiting, done, failed
    sa.Column("verdict", sa.String(32)),  # promoted, rejected, refused, rolled_back, failed, ...
    sa.Column("reason", sa.Text),
    json_text("cause"),
    json_text("plan"),
    json_text("evidence", nullable=True),
    json_text("realised", nullable=True),  # what a promotion gained
    sa.Column("version", sa.Integer),
    sa.Column("started", Millis, nullable=False),
    sa.Column("finished", Millis),
    sa.UniqueConstraint("loop", "number"),
    # At most one cycle of a loop is under way.
    sa.Index(
        "uq_cycles_under_way",
        "loop",
        unique=True,
        sqlite_where=sa.text("finished IS NULL"),
        postgresql_where=sa.text("finished IS NULL"),
    ),
)
cycle_steps = sa.Table(
    "cycle_steps",
    metadata,
    sa.Column("cycle", sa.ForeignKey("cycles.id"), primary_key=True),
    sa.Column("step", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # running, done, failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("started", Millis, nullable=False),
    sa.Column("finished", Millis),
    json_text("result", nullable=True),
    sa.Column("error", sa.Text),
)
