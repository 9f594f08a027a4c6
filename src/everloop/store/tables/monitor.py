"""The prediction log, its windows and what they raised (monitor)."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.tables._base import Millis, json_text, metadata

# Parquet parts of the prediction log ("predictions") and of the labels ("feedback").
log_parts = sa.Table(
    "log_parts",
    metadata,
    sa.Column("endpoint", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("part", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("first", Millis, nullable=False),  # event times inside
    sa.Column("last", Millis, nullable=False),
    sa.Column("created", Millis, nullable=False),
)
# How far each local log segment has been shipped; moves in the transaction that adds the part.
log_offsets = sa.Table(
    "log_offsets",
    metadata,
    sa.Column("segment", sa.String(512), primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)
windows = sa.Table(
    "windows",
    metadata,
    sa.Column("endpoint", sa.String(255), primary_key=True),
    sa.Column("start", Millis, primary_key=True, autoincrement=False),
    sa.Column("end", Millis, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("labelled", sa.BigInteger, nullable=False),
    json_text("checks"),  # quality and drift: statistic, effect and verdict of each feature
    json_text("performance", nullable=True),
    sa.Column("quarantined", sa.Boolean, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # of (endpoint, window, kind, feature)
    sa.Column("endpoint", sa.String(255), nullable=False),
    sa.Column("window", Millis, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),  # quality, drift, performance, log
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("feature", sa.String(255)),
    sa.Column("summary", sa.Text, nullable=False),
    json_text("evidence"),
    sa.Column("cycle", sa.String(64)),  # the cycle it led to
    sa.Column("at", Millis, nullable=False),
    sa.Index("ix_alerts_endpoint_window", "endpoint", "window"),
)
