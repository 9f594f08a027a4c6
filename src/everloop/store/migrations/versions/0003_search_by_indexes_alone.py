"""Params and tags are found by an index alone, without their table; runs by their status."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("run_params", "run_tags")
HEAD = "substr(value, 1, 64)"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in TABLES:
        op.drop_index(f"ix_{name}_find", name)
        text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
        op.add_column(name, sa.Column("head", text, sa.Computed(HEAD, persisted=not sqlite)))
        found = "value" if sqlite else "head"
        op.create_index(f"ix_{name}_{found}", name, ["experiment", "key", found, "run"])
    op.create_index(
        "ix_runs_experiment_status_started", "runs", ["experiment", "status", "started", "number"]
    )


def downgrade() -> None:
    found = "value" if op.get_bind().dialect.name == "sqlite" else "head"
    op.drop_index("ix_runs_experiment_status_started", "runs")
    for name in TABLES:
        op.drop_index(f"ix_{name}_{found}", name)
        op.drop_column(name, "head")
        op.create_index(f"ix_{name}_find", name, ["experiment", "key", sa.text(HEAD), "run"])
