"""Who looks at an endpoint's windows now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "window_claims",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_window_claims")),
    )


def downgrade() -> None:
    op.drop_table("window_claims")
