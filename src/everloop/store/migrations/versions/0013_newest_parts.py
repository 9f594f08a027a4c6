"""The newest parts of all endpoints' logs are found by one look at an index."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_log_parts_created", "log_parts", ["created", "endpoint"])


def downgrade() -> None:
    op.drop_index("ix_log_parts_created", "log_parts")
