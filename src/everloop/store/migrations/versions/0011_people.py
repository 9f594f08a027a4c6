"""People with tokens of their own, what they say on cycles, and what was decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("may", sa.String(length=8), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_people")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_people_token_sha256")),
    )
    op.create_table(
        "decisions",
        sa.Column("cycle", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("signature", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["cycle"], ["cycles.id"], name=op.f("fk_decisions_cycle")),
        sa.PrimaryKeyConstraint("cycle", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_due", "decisions", ["due"])
    op.create_table(
        "cycle_words",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("cycle", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["cycle"], ["cycles.id"], name=op.f("fk_cycle_words_cycle")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_cycle_words")),
    )
    op.create_index("ix_cycle_words_cycle", "cycle_words", ["cycle", "seq"])
    said = sa.text("kind <> 'comment'")
    op.create_index(
        "uq_cycle_words_once",
        "cycle_words",
        ["cycle", "person", "kind"],
        unique=True,
        sqlite_where=said,
        postgresql_where=said,
    )


def downgrade() -> None:
    op.drop_table("cycle_words")
    op.drop_table("decisions")
    op.drop_table("people")
