"""Experiments, runs and what is logged to them (tracking).

A run has two names: ``id``, 32 hexadecimal digits, is what callers know; ``number`` is what other
tables refer to it by, since it is short and rises with time. Those tables repeat the run's
experiment where a search needs it in an index.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from everloop.store.tables._base import Counter, Millis, json_text, metadata

INDEXED = 64
"""Characters of a param's or tag's value that its index holds, which has a limit in PostgreSQL."""

Run = sa.BigInteger


def _ordered(length: int | None = None) -> sa.types.TypeEngine[str]:
    """Text compared by its bytes in both dialects, so that all that begins alike is one range."""
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


class Head(sa.Computed):
    """The beginning of a text, as long as PostgreSQL's indexes have room for.

    SQLite's have room for all, so it keeps no such column, but computes it when asked for.
    """

    inherit_cache = True


@compiles(Head, "sqlite")
def _not_kept(head: Head, compiler: Any, **_: Any) -> str:
    return f"GENERATED ALWAYS AS ({compiler.sql_compiler.process(head.sqltext)}) VIRTUAL"


def _index_in(dialect: str, name: str, *columns: str) -> sa.Index:
    return sa.Index(name, *columns, info={"dialect": dialect}).ddl_if(dialect)


def _texts(name: str) -> sa.Table:
    """Keys and values of runs, found by value too."""
    return sa.Table(
        name,
        metadata,
        sa.Column("run", Run, sa.ForeignKey("runs.number"), primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("value", _ordered(), nullable=False),
        sa.Column("experiment", sa.Integer, nullable=False),
        sa.Column("head", _ordered(), Head(f"substr(value, 1, {INDEXED})", persisted=True)),
        # An index answers without its table for columns, in SQLite for none that are computed.
        _index_in("sqlite", f"ix_{name}_value", "experiment", "key", "value", "run"),
        _index_in("postgresql", f"ix_{name}_head", "experiment", "key", "head", "run"),
        sqlite_with_rowid=False,
    )


# -- tracking.experiments ------------------------------------------------------------------------
experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(500), nullable=False, unique=True),
    sa.Column("location", sa.Text),  # of its artifacts; NULL means this server's own
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.Column("deleted", Millis),  # when; its name is taken until it is deleted for good
)
experiment_tags = sa.Table(
    "experiment_tags",
    metadata,
    sa.Column("experiment", sa.ForeignKey("experiments.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# -- tracking.runs -------------------------------------------------------------------------------
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("number", Counter, primary_key=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("experiment", sa.ForeignKey("experiments.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("user", sa.String(256), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # SCHEDULED RUNNING FINISHED FAILED KILLED
    sa.Column("started", Millis, nullable=False),
    sa.Column("finished", Millis),
    sa.Column("deleted", Millis),
    sa.Column("location", sa.Text, nullable=False),  # of its artifacts
    sa.Index("ix_runs_experiment_started", "experiment", "started", "number"),
    sa.Index("ix_runs_experiment_status_started", "experiment", "status", "started", "number"),
    sa.Index("ix_runs_started", "started", "number"),
)
run_params = _texts("run_params")
run_tags = _texts("run_tags")
# Of each metric the newest value: the largest (step, at, value). A NaN has value 0 and ``nan``.
run_metrics = sa.Table(
    "run_metrics",
    metadata,
    sa.Column("run", Run, sa.ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("at", Millis, nullable=False),
    sa.Column("value", sa.Float(53), nullable=False),
    sa.Column("nan", sa.Boolean, nullable=False),
    sa.Column("experiment", sa.Integer, nullable=False),
    sa.Index("ix_run_metrics_find", "experiment", "key", "nan", "value", "run"),
    sqlite_with_rowid=False,
)
# Every value of every metric, in the order a history is read. The same point twice is one point.
metric_points = sa.Table(
    "metric_points",
    metadata,
    sa.Column("run", Run, sa.ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("at", Millis, primary_key=True, autoincrement=False),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Float(53), primary_key=True),
    sa.Column("nan", sa.Boolean, primary_key=True),
    sqlite_with_rowid=False,
)

# -- tracking.ingest: how far each native client's records have come -------------------------------
run_clients = sa.Table(
    "run_clients",
    metadata,
    sa.Column("client", sa.String(32), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),  # of the newest record that is kept
    sa.Column("updated", Millis, nullable=False),
)

# -- tracking.inputs: which data and models a run used and made ----------------------------------
run_datasets = sa.Table(
    "run_datasets",
    metadata,
    sa.Column("id", Counter, primary_key=True),
    sa.Column("experiment", sa.ForeignKey("experiments.id"), nullable=False),
    sa.Column("name", sa.String(500), nullable=False),
    sa.Column("digest", sa.String(36), nullable=False),
    sa.Column("source_type", sa.String(36), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("schema", sa.Text),
    sa.Column("profile", sa.Text),
    sa.UniqueConstraint("experiment", "name", "digest"),
)
run_inputs = sa.Table(
    "run_inputs",
    metadata,
    sa.Column("run", Run, sa.ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    sa.Column("dataset", sa.ForeignKey("run_datasets.id"), primary_key=True),
    json_text("tags"),  # {key: value}
    sa.Index("ix_run_inputs_dataset", "dataset", "run"),
)
run_models = sa.Table(
    "run_models",
    metadata,
    sa.Column("run", Run, sa.ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(8), primary_key=True),  # input, output
    sa.Column("model", sa.String(64), primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Index("ix_run_models_model", "model", "kind"),
)

# -- tracking.logged_models ----------------------------------------------------------------------
logged_models = sa.Table(
    "logged_models",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # m- and 32 hexadecimal digits
    sa.Column("experiment", sa.ForeignKey("experiments.id"), nullable=False),
    sa.Column("run", sa.String(32)),  # the id of the run that logged it
    sa.Column("name", sa.String(500), nullable=False),
    sa.Column("type", sa.String(500)),
    sa.Column("status", sa.String(16), nullable=False),  # PENDING, READY, FAILED
    sa.Column("message", sa.Text),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
    sa.Column("deleted", Millis),
    sa.Index("ix_logged_models_experiment_created", "experiment", "created", "id"),
)
logged_model_params = sa.Table(
    "logged_model_params",
    metadata,
    sa.Column("model", sa.ForeignKey("logged_models.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
logged_model_tags = sa.Table(
    "logged_model_tags",
    metadata,
    sa.Column("model", sa.ForeignKey("logged_models.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
# A metric of a model, by the run that measured it and the data it was measured on.
logged_model_metrics = sa.Table(
    "logged_model_metrics",
    metadata,
    sa.Column("model", sa.ForeignKey("logged_models.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("at", Millis, primary_key=True, autoincrement=False),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run", sa.String(32), primary_key=True),
    sa.Column("value", sa.Float(53), nullable=False),
    sa.Column("nan", sa.Boolean, nullable=False),
    sa.Column("dataset_name", sa.String(500)),
    sa.Column("dataset_digest", sa.String(36)),
)

# -- tracking.views ------------------------------------------------------------------------------
run_views = sa.Table(
    "run_views",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    json_text("query"),  # tracking.views.RunQuery
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("created", Millis, nullable=False),
    sa.Column("updated", Millis, nullable=False),
)

# -- tracking.artifacts: a tree of names over content-addressed blobs ------------------------------
artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("folder", _ordered(1500), primary_key=True),  # "" is the root; else a/b/c
    sa.Column("name", _ordered(255), primary_key=True),
    sa.Column("digest", sa.String(64)),  # NULL for a folder
    sa.Column("size", sa.BigInteger),
    sa.Column("updated", Millis, nullable=False),
    sa.Index("ix_artifacts_digest", "digest"),
)
artifact_uploads = sa.Table(
    "artifact_uploads",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("path", sa.String(1800), nullable=False),
    sa.Column("created", Millis, nullable=False),
)
artifact_parts = sa.Table(
    "artifact_parts",
    metadata,
    sa.Column("upload", sa.ForeignKey("artifact_uploads.id"), primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
)
