"""Events are found by what they are, by who caused them, and by when."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_events_kind_seq": ["kind", "seq"],
    "ix_events_actor_seq": ["actor", "seq"],
    "ix_events_at": ["at"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "events", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "events")
