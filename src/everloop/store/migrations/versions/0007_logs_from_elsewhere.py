"""Halves of predictions that other servers log, and marks of tables that are read as they grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_halves",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("request", sa.String(length=255), nullable=False),
        sa.Column("half", sa.String(length=16), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "request", "half", name=op.f("pk_log_halves")),
    )
    op.create_index("ix_log_halves_created", "log_halves", ["created"])
    op.create_table(
        "log_marks",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "name", name=op.f("pk_log_marks")),
    )


def downgrade() -> None:
    op.drop_table("log_marks")
    op.drop_table("log_halves")
