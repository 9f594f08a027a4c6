"""Registered models, their versions, and who is told of changes (registry)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

models = sa.Table(
    "models",
    metadata,
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("description", sa.Text),
    sa.Column("last", sa.Integer, nullable=False),  # the highest number a version ever had
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)
model_tags = sa.Table(
    "model_tags",
    metadata,
    sa.Column("model", sa.ForeignKey("models.name"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("model", sa.ForeignKey("models.name"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(255), nullable=False),  # idempotency: one version per (model, key)
    # A model package: the sha256 of package.toml, NULL when the version is known by its source only
    sa.Column("digest", sa.String(64)),
    sa.Column("algorithm", sa.String(255)),
    sa.Column("run", sa.String(32)),
    sa.Column("dataset", sa.String(64)),
    sa.Column("cycle", sa.String(64)),
    json_text("metrics"),
    json_text("files"),  # {path: sha256 of the blob}
    sa.Column("description", sa.Text),
    sa.Column("user", sa.String(256)),
    sa.Column("stage", sa.String(16), nullable=False),  # None, Staging, Production, Archived
    sa.Column("status", sa.String(24), nullable=False),  # READY, PENDING_REGISTRATION, FAILED_…
    sa.Column("status_message", sa.Text),
    sa.Column("source", sa.Text),  # the URI it was made from
    sa.Column("location", sa.Text),  # the URI its files are downloaded from
    sa.Column("run_link", sa.Text),
    sa.Column("logged_model", sa.String(64)),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.UniqueConstraint("model", "key"),
    sa.Index("ix_model_versions_run", "run"),
    sa.Index("ix_model_versions_updated", "updated", "model", "version"),
)
model_version_tags = sa.Table(
    "model_version_tags",
    metadata,
    sa.Column("model", sa.String(256), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(
        ["model", "version"], ["model_versions.model", "model_versions.version"]
    ),
)
model_aliases = sa.Table(
    "model_aliases",
    metadata,
    sa.Column("model", sa.String(256), primary_key=True),
    sa.Column("alias", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.ForeignKeyConstraint(
        ["model", "version"], ["model_versions.model", "model_versions.version"]
    ),
)

# -- registry.webhooks ---------------------------------------------------------------------------
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("url", sa.Text, nullable=False),
    json_text("events"),  # [[entity, action], …]
    sa.Column("secret", sa.Text),  # encrypted
    sa.Column("status", sa.String(16), nullable=False),  # ACTIVE, DISABLED
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.Index("ix_webhooks_created", "created", "id"),
)
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("webhook", sa.ForeignKey("webhooks.id"), nullable=False),
    sa.Column("event", sa.String(64), nullable=False),  # registered_model.created
    json_text("payload"),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, sent, failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", Millis),  # of the next attempt; NULL when there is none
    sa.Column("status", sa.Integer),  # HTTP status of the last answer
    sa.Column("error", sa.Text),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.Index("ix_webhook_deliveries_webhook_created", "webhook", "created", "id"),
    sa.Index("ix_webhook_deliveries_due", "due"),
)
