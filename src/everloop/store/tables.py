"""Every table, in one place, the same on SQLite and PostgreSQL.

Times are whole milliseconds since 1970 UTC. Structured values are JSON text made by msgspec, so
that both dialects hold the same bytes. Each table is written by one small store only, named in
its comment.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

Millis = sa.BigInteger


def _json(name: str, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


# -- store.events: who did what; append-only, each row carries the hash of the one before ---------
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Millis, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(512), nullable=False),
    _json("payload"),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("ix_events_subject_seq", "subject", "seq"),
)
# One row: the newest seq and hash, signed, so that a cut-off tail is found too.
event_head = sa.Table(
    "event_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("signature", sa.String(128), nullable=False),
)

# -- data.versions -------------------------------------------------------------------------------
datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # sha256 of the snapshot's Parquet bytes
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    _json("schema"),
    _json("statistics"),
    _json("origin"),
    sa.Column("created", Millis, nullable=False),
    sa.Index("ix_datasets_name_created", "name", "created", "digest"),
    sa.Index("ix_datasets_created", "created", "digest"),
)

# -- tracking ------------------------------------------------------------------------------------
experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(500), nullable=False, unique=True),
    sa.Column("created", Millis, nullable=False),
)
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("experiment", sa.ForeignKey("experiments.id"), nullable=False),
    sa.Column("name", sa.String(500), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # RUNNING, FINISHED, FAILED
    sa.Column("started", Millis, nullable=False),
    sa.Column("finished", Millis),
    sa.Index("ix_runs_experiment_started", "experiment", "started", "id"),
    sa.Index("ix_runs_started", "started", "id"),
)
run_params = sa.Table(
    "run_params",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
run_tags = sa.Table(
    "run_tags",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
run_metrics = sa.Table(
    "run_metrics",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Millis, nullable=False),
    sa.Column("value", sa.Float(53)),  # NULL stands for NaN, which SQLite cannot hold
)

# -- registry ------------------------------------------------------------------------------------
models = sa.Table(
    "models",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("created", Millis, nullable=False),
)
model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("model", sa.ForeignKey("models.name"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(255), nullable=False),  # idempotency: one version per (model, key)
    sa.Column("digest", sa.String(64), nullable=False),  # sha256 of package.toml
    sa.Column("algorithm", sa.String(255), nullable=False),
    sa.Column("run", sa.String(32)),
    sa.Column("dataset", sa.String(64)),
    sa.Column("cycle", sa.String(64)),
    _json("metrics"),
    _json("files"),  # {path: sha256 of the blob}
    sa.Column("created", Millis, nullable=False),
    sa.UniqueConstraint("model", "key"),
)
model_aliases = sa.Table(
    "model_aliases",
    metadata,
    sa.Column("model", sa.String(255), primary_key=True),
    sa.Column("alias", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.ForeignKeyConstraint(
        ["model", "version"], ["model_versions.model", "model_versions.version"]
    ),
)

# -- deploy.endpoints ----------------------------------------------------------------------------
endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("model", sa.String(255), nullable=False),
    _json("rollout"),  # deploy.endpoints.Rollout
    sa.Column("revision", sa.BigInteger, nullable=False),  # rises with every change of any endpoint
    sa.Column("updated", Millis, nullable=False),
)

# -- loop.cycles ---------------------------------------------------------------------------------
loops = sa.Table(
    "loops",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    _json("declaration"),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)
cycles = sa.Table(
    "cycles",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("loop", sa.ForeignKey("loops.name"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # running, waiting, done, failed
    sa.Column("verdict", sa.String(32)),  # promoted, rejected, refused, rolled_back, failed, ...
    sa.Column("reason", sa.Text),
    _json("cause"),
    _json("plan"),
    _json("evidence", nullable=True),
    sa.Column("version", sa.Integer),
    sa.Column("started", Millis, nullable=False),
    sa.Column("finished", Millis),
    sa.UniqueConstraint("loop", "number"),
    # At most one cycle of a loop is under way.
    sa.Index(
        "uq_cycles_under_way",
        "loop",
        unique=True,
        sqlite_where=sa.text("finished IS NULL"),
        postgresql_where=sa.text("finished IS NULL"),
    ),
)
cycle_steps = sa.Table(
    "cycle_steps",
    metadata,
    sa.Column("cycle", sa.ForeignKey("cycles.id"), primary_key=True),
    sa.Column("step", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # running, done, failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("started", Millis, nullable=False),
    sa.Column("finished", Millis),
    _json("result", nullable=True),
    sa.Column("error", sa.Text),
)

# -- monitor -------------------------------------------------------------------------------------
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
    _json("checks"),  # quality and drift: statistic, effect and verdict of each feature
    _json("performance", nullable=True),
    sa.Column("quarantined", sa.Boolean, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # of (endpoint, window, kind, feature)
    sa.Column("endpoint", sa.String(255), nullable=False),
    sa.Column("window", Millis, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),  # quality, drift, performance
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("feature", sa.String(255)),
    sa.Column("summary", sa.Text, nullable=False),
    _json("evidence"),
    sa.Column("cycle", sa.String(64)),  # the cycle it led to
    sa.Column("at", Millis, nullable=False),
    sa.Index("ix_alerts_endpoint_window", "endpoint", "window"),
)
