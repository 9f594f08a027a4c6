"""Endpoints (deploy.endpoints)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("model", sa.String(255), nullable=False),
    json_text("rollout"),  # deploy.endpoints.Rollout
    sa.Column("revision", sa.BigInteger, nullable=False),  # rises with every change of any endpoint
    sa.Column("updated", Millis, nullable=False),
)
