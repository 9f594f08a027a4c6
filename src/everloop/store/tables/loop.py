"""Loops and their cycles (loop.cycles)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Counter, Millis, json_text, metadata

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
# Who runs the cycles of what, see store.leases. A row stays, so that its token only grows.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(320), primary_key=True),
    sa.Column("holder", sa.String(255), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("until", Millis, nullable=False),  # by the database's clock
    sa.Column("lasts", Millis, nullable=False),
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
    # Of the process it ran in: crashes, and what was killed at a limit.
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due", Millis),  # when it is tried again
)
step_logs = sa.Table(  # loop.step_logs
    "step_logs",
    metadata,
    sa.Column("cycle", sa.ForeignKey("cycles.id"), primary_key=True),
    sa.Column("step", sa.String(32), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),  # the end of what the step said
    sa.Column("updated", Millis, nullable=False),
)
decisions = sa.Table(  # loop.approving
    "decisions",
    metadata,
    sa.Column("cycle", sa.ForeignKey("cycles.id"), primary_key=True),
    json_text("rule"),  # an update.approval.Rule, as it was when people were asked
    sa.Column("asked", Millis, nullable=False),
    sa.Column("due", Millis),  # when the time-out, or the next reminder, comes
    sa.Column("reminders", sa.Integer, nullable=False),
    sa.Column("ended", Millis),
    sa.Column("outcome", sa.String(16)),  # approved, rejected, silence
    json_text("record", nullable=True),  # the very text that was signed
    sa.Column("signature", sa.String(255)),
    sa.Index("ix_decisions_due", "due"),
)
cycle_words = sa.Table(  # loop.approving
    "cycle_words",
    metadata,
    sa.Column("seq", Counter, primary_key=True, autoincrement=True),
    sa.Column("cycle", sa.ForeignKey("cycles.id"), nullable=False),
    sa.Column("at", Millis, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("person", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # approve, reject, comment
    json_text("roles"),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Index("ix_cycle_words_cycle", "cycle", "seq"),
    # A yes and a no count once a person.
    sa.Index(
        "uq_cycle_words_once",
        "cycle",
        "person",
        "kind",
        unique=True,
        sqlite_where=sa.text("kind <> 'comment'"),
        postgresql_where=sa.text("kind <> 'comment'"),
    ),
)
