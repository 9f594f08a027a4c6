"""Endpoints (deploy.endpoints) and their rollouts (deploy.rollouts)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("model", sa.String(255), nullable=False),
    json_text("rollout"),  # deploy.endpoints.Arms
    sa.Column("revision", sa.BigInteger, nullable=False),  # rises with every change of any endpoint
    sa.Column("updated", Millis, nullable=False),
)
rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("cycle", sa.String(64), nullable=False, unique=True),
    sa.Column("endpoint", sa.String(255), nullable=False),
    sa.Column("model", sa.String(255), nullable=False),
    json_text("spec"),  # deploy.spec.RolloutSpec
    sa.Column("champion", sa.Integer, nullable=False),
    json_text("versions"),  # those on trial
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # running, paused, promoted, rolled_back
    json_text("wish", nullable=True),  # what a person asked for and nobody has done yet
    json_text("evidence"),
    sa.Column("reason", sa.Text),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("began", Millis, nullable=False),
    sa.Column("stage_began", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.Index("ix_rollouts_endpoint", "endpoint", "began"),
)
