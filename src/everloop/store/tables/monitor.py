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
    sa.Index("ix_log_parts_created", "created", "endpoint"),
)
# How far each local log segment has been shipped; moves in the transaction that adds the part.
log_offsets = sa.Table(
    "log_offsets",
    metadata,
    sa.Column("segment", sa.String(512), primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)
# Requests and responses of servers that are not ours, until the other half has come.
log_halves = sa.Table(
    "log_halves",
    metadata,
    sa.Column("endpoint", sa.String(255), primary_key=True),
    sa.Column("request", sa.String(255), primary_key=True),
    sa.Column("half", sa.String(16), primary_key=True),  # request, response
    sa.Column("created", Millis, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("ix_log_halves_created", "created"),
)
# What is known of tables that are read as they grow, and of the rhythm in which rows come.
log_marks = sa.Table(
    "log_marks",
    metadata,
    sa.Column("endpoint", sa.String(255), primary_key=True),
    sa.Column("name", sa.String(32), primary_key=True),  # predictions, labels, rhythm
    json_text("state"),
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
# Who looks at an endpoint's windows now: one process at a time.
window_claims = sa.Table(
    "window_claims",
    metadata,
    sa.Column("endpoint", sa.String(255), primary_key=True),
    sa.Column("holder", sa.String(36), nullable=False),
    sa.Column("until", Millis, nullable=False),  # it is whoever's asks first from then on
)
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # of (endpoint, window, kind, feature)
    sa.Column("endpoint", sa.String(255), nullable=False),
    sa.Column("window", Millis, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),  # quality, drift, performance, log, health
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("feature", sa.String(255)),
    sa.Column("summary", sa.Text, nullable=False),
    json_text("evidence"),
    sa.Column("cycle", sa.String(64)),  # the cycle it led to
    sa.Column("at", Millis, nullable=False),
    sa.Column("incident", sa.String(64)),  # what it belongs to; NULL until somebody looked
    sa.Index("ix_alerts_endpoint_window", "endpoint", "window"),
    sa.Index("ix_alerts_incident", "incident"),
)

# -- monitor.alerting ----------------------------------------------------------------------------
# One thing that goes on, from its first alert until it has been away for some windows.
alert_incidents = sa.Table(
    "alert_incidents",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # of its first alert
    sa.Column("endpoint", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("feature", sa.String(255)),
    sa.Column("segment", sa.Text),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("since", Millis, nullable=False),  # start of its first window
    sa.Column("last", Millis, nullable=False),  # and of its last one
    sa.Column("windows", sa.Integer, nullable=False),  # most in a row
    sa.Column("state", sa.String(16), nullable=False),  # open, resolved
    json_text("told"),  # {rule: when, as what, whether its end was told}
    sa.Column("settled", sa.Boolean, nullable=False),  # resolved, and nothing is left to tell
    sa.Column("opened", Millis, nullable=False),
    sa.Column("resolved", Millis),
    sa.Index("ix_alert_incidents_opened", "opened", "id"),
    sa.Index("ix_alert_incidents_settled", "settled", "endpoint"),
)
alert_silences = sa.Table(
    "alert_silences",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("endpoint", sa.String(255), nullable=False),  # a pattern, like the next ones
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("feature", sa.String(255), nullable=False),
    sa.Column("until", Millis, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("created", Millis, nullable=False),
    sa.Column("ended", Millis),  # by a person, before its time
    sa.Index("ix_alert_silences_until", "until"),
)
alert_deliveries = sa.Table(
    "alert_deliveries",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # of what is told, to which channel
    sa.Column("endpoint", sa.String(255), nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),  # the same for all that is told of a group
    json_text("payload"),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, sent, failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", Millis),  # of the next attempt; NULL when there is none
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.Index("ix_alert_deliveries_created", "created", "id"),
    sa.Index("ix_alert_deliveries_due", "due"),
    sa.Index("ix_alert_deliveries_key", "key", "channel"),
)
# What the data planes did of an endpoint in a stretch of the clock.
health_windows = sa.Table(
    "health_windows",
    metadata,
    sa.Column("endpoint", sa.String(255), primary_key=True),
    sa.Column("start", Millis, primary_key=True, autoincrement=False),
    sa.Column("end", Millis, nullable=False),
    json_text("counts"),  # sums of what was counted
    json_text("found"),  # what of it is beyond its target
)
