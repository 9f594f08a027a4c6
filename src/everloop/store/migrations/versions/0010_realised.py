"""What a promotion gained, beside what was expected of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cycles", sa.Column("realised", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("cycles") as table:
        table.drop_column("realised")
