"""Dataset versions (data.versions)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # sha256 of the snapshot's Parquet bytes
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    json_text("schema"),
    json_text("statistics"),
    json_text("origin"),
    sa.Column("created", Millis, nullable=False),
    sa.Index("ix_datasets_name_created", "name", "created", "digest"),
    sa.Index("ix_datasets_created", "created", "digest"),
)
