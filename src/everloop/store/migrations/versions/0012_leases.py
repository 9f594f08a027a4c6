"""Who runs the cycles of which loop; how often a step's process died, and when it is due again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=320), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("lasts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    failures = sa.Column("failures", sa.Integer(), nullable=False, server_default="0")
    op.add_column("cycle_steps", failures)
    op.add_column("cycle_steps", sa.Column("due", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("cycle_steps", "due")
    op.drop_column("cycle_steps", "failures")
    op.drop_table("leases")
