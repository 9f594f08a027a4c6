"""Tracking and the registry as an MLflow client knows them; what was recorded before is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from everloop.store.clock import now_ms

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Tables that take another form, in an order in which they can be dropped.
REMADE = (
    "run_metrics",
    "run_tags",
    "run_params",
    "runs",
    "experiments",
    "model_aliases",
    "model_versions",
    "models",
)
ADDED = (
    "artifact_uploads",
    "artifacts",
    "webhooks",
    "artifact_parts",
    "experiment_tags",
    "logged_models",
    "model_tags",
    "run_clients",
    "run_datasets",
    "webhook_deliveries",
    "logged_model_metrics",
    "logged_model_params",
    "logged_model_tags",
    "metric_points",
    "model_version_tags",
    "run_inputs",
    "run_models",
)

KEEP = (
    """INSERT INTO experiments (id, name, created, updated)
       SELECT id, name, created, created FROM old_experiments""",
    """INSERT INTO experiments (id, name, created, updated)
       SELECT 0, 'Default', 0, 0
       WHERE NOT EXISTS (SELECT 1 FROM experiments WHERE id = 0 OR name = 'Default')""",
    """INSERT INTO runs (id, experiment, name, "user", status, started, finished, location)
       SELECT id, experiment, name, '', status, started, finished,
              'mlflow-artifacts:/' || experiment || '/' || id || '/artifacts'
       FROM old_runs ORDER BY started, id""",
    """INSERT INTO run_params (run, key, value, experiment)
       SELECT r.number, o.key, o.value, r.experiment
       FROM old_run_params o JOIN runs r ON r.id = o.run""",
    """INSERT INTO run_tags (run, key, value, experiment)
       SELECT r.number, o.key, o.value, r.experiment
       FROM old_run_tags o JOIN runs r ON r.id = o.run""",
    """INSERT INTO metric_points (run, key, at, step, value, nan)
       SELECT r.number, o.key, o.at, o.step, coalesce(o.value, 0), o.value IS NULL
       FROM old_run_metrics o JOIN runs r ON r.id = o.run""",
    """INSERT INTO run_metrics (run, key, step, at, value, nan, experiment)
       SELECT p.run, p.key, p.step, p.at, p.value, p.nan, r.experiment
       FROM metric_points p JOIN runs r ON r.number = p.run
       JOIN (SELECT run, key, max(step) AS step FROM metric_points GROUP BY run, key) l
         ON l.run = p.run AND l.key = p.key AND l.step = p.step""",
    """INSERT INTO models (name, last, created, updated)
       SELECT m.name, coalesce(max(v.version), 0), m.created, m.created
       FROM old_models m LEFT JOIN old_model_versions v ON v.model = m.name
       GROUP BY m.name, m.created""",
    """INSERT INTO model_versions (model, version, key, digest, algorithm, run, dataset, cycle,
                                   metrics, files, stage, status, created, updated)
       SELECT model, version, key, digest, algorithm, run, dataset, cycle, metrics, files,
              'None', 'READY', created, created FROM old_model_versions""",
    """INSERT INTO model_aliases SELECT model, alias, version, updated FROM old_model_aliases""",
)


def upgrade() -> None:
    for name in REMADE:
        op.execute(f"CREATE TABLE old_{name} AS SELECT * FROM {name}")
        op.drop_table(name)
    create()
    for statement in KEEP:
        op.execute(statement)
    made_now = sa.text("UPDATE experiments SET created = :now, updated = :now WHERE created = 0")
    op.get_bind().execute(made_now, {"now": now_ms()})
    for name in REMADE:
        op.drop_table(f"old_{name}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "SELECT setval('experiments_id_seq', (SELECT max(id) FROM experiments) + 1, false)"
        )


def _ordered(length: int | None = None) -> sa.types.TypeEngine[str]:
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def create() -> None:

    op.create_table(
        "artifact_uploads",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("path", sa.String(length=1800), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact_uploads")),
    )
    op.create_table(
        "artifacts",
        sa.Column("folder", _ordered(1500), nullable=False),
        sa.Column("name", _ordered(255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("folder", "name", name=op.f("pk_artifacts")),
    )
    op.create_index("ix_artifacts_digest", "artifacts", ["digest"], unique=False)
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("name", name=op.f("uq_experiments_name")),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_created", "webhooks", ["created", "id"], unique=False)
    op.create_table(
        "artifact_parts",
        sa.Column("upload", sa.String(length=32), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload"], ["artifact_uploads.id"], name=op.f("fk_artifact_parts_upload")
        ),
        sa.PrimaryKeyConstraint("upload", "part", name=op.f("pk_artifact_parts")),
    )
    op.create_table(
        "experiment_tags",
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment"], ["experiments.id"], name=op.f("fk_experiment_tags_experiment")
        ),
        sa.PrimaryKeyConstraint("experiment", "key", name=op.f("pk_experiment_tags")),
    )
    op.create_table(
        "logged_models",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("type", sa.String(length=500), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment"], ["experiments.id"], name=op.f("fk_logged_models_experiment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logged_models")),
    )
    op.create_index(
        "ix_logged_models_experiment_created",
        "logged_models",
        ["experiment", "created", "id"],
        unique=False,
    )
    op.create_table(
        "model_tags",
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_model_tags_model")),
        sa.PrimaryKeyConstraint("model", "key", name=op.f("pk_model_tags")),
    )
    op.create_table(
        "model_versions",
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("algorithm", sa.String(length=255), nullable=True),
        sa.Column("run", sa.String(length=32), nullable=True),
        sa.Column("dataset", sa.String(length=64), nullable=True),
        sa.Column("cycle", sa.String(length=64), nullable=True),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("user", sa.String(length=256), nullable=True),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("status_message", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("run_link", sa.Text(), nullable=True),
        sa.Column("logged_model", sa.String(length=64), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_model_versions_model")),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("model", "key", name=op.f("uq_model_versions_model_key")),
    )
    op.create_index("ix_model_versions_run", "model_versions", ["run"], unique=False)
    op.create_index(
        "ix_model_versions_updated", "model_versions", ["updated", "model", "version"], unique=False
    )
    op.create_table(
        "run_clients",
        sa.Column("client", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client", name=op.f("pk_run_clients")),
    )
    op.create_table(
        "run_datasets",
        sa.Column("id", COUNTER, nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("digest", sa.String(length=36), nullable=False),
        sa.Column("source_type", sa.String(length=36), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment"], ["experiments.id"], name=op.f("fk_run_datasets_experiment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_datasets")),
        sa.UniqueConstraint(
            "experiment", "name", "digest", name=op.f("uq_run_datasets_experiment_name_digest")
        ),
    )
    op.create_table(
        "runs",
        sa.Column("number", COUNTER, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user", sa.String(length=256), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.Column("location", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment"], ["experiments.id"], name=op.f("fk_runs_experiment")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_runs")),
        sa.UniqueConstraint("id", name=op.f("uq_runs_id")),
    )
    op.create_index(
        "ix_runs_experiment_started", "runs", ["experiment", "started", "number"], unique=False
    )
    op.create_index("ix_runs_started", "runs", ["started", "number"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("webhook", sa.String(length=36), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["due"], unique=False)
    op.create_index(
        "ix_webhook_deliveries_webhook_created",
        "webhook_deliveries",
        ["webhook", "created", "id"],
        unique=False,
    )
    op.create_table(
        "logged_model_metrics",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("nan", sa.Boolean(), nullable=False),
        sa.Column("dataset_name", sa.String(length=500), nullable=True),
        sa.Column("dataset_digest", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["model"], ["logged_models.id"], name=op.f("fk_logged_model_metrics_model")
        ),
        sa.PrimaryKeyConstraint(
            "model", "key", "at", "step", "run", name=op.f("pk_logged_model_metrics")
        ),
    )
    op.create_table(
        "logged_model_params",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model"], ["logged_models.id"], name=op.f("fk_logged_model_params_model")
        ),
        sa.PrimaryKeyConstraint("model", "key", name=op.f("pk_logged_model_params")),
    )
    op.create_table(
        "logged_model_tags",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model"], ["logged_models.id"], name=op.f("fk_logged_model_tags_model")
        ),
        sa.PrimaryKeyConstraint("model", "key", name=op.f("pk_logged_model_tags")),
    )
    op.create_table(
        "metric_points",
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("nan", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name=op.f("fk_metric_points_run")),
        sa.PrimaryKeyConstraint(
            "run", "key", "at", "step", "value", "nan", name=op.f("pk_metric_points")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "model_aliases",
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("alias", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["model_versions.model", "model_versions.version"],
            name=op.f("fk_model_aliases_model_version"),
        ),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_model_aliases")),
    )
    op.create_table(
        "model_version_tags",
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["model_versions.model", "model_versions.version"],
            name=op.f("fk_model_version_tags_model_version"),
        ),
        sa.PrimaryKeyConstraint("model", "version", "key", name=op.f("pk_model_version_tags")),
    )
    op.create_table(
        "run_inputs",
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dataset", COUNTER, nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"], ["run_datasets.id"], name=op.f("fk_run_inputs_dataset")
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name=op.f("fk_run_inputs_run")),
        sa.PrimaryKeyConstraint("run", "dataset", name=op.f("pk_run_inputs")),
    )
    op.create_index("ix_run_inputs_dataset", "run_inputs", ["dataset", "run"], unique=False)
    op.create_table(
        "run_metrics",
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("nan", sa.Boolean(), nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name=op.f("fk_run_metrics_run")),
        sa.PrimaryKeyConstraint("run", "key", name=op.f("pk_run_metrics")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_metrics_find",
        "run_metrics",
        ["experiment", "key", "nan", "value", "run"],
        unique=False,
    )
    op.create_table(
        "run_models",
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name=op.f("fk_run_models_run")),
        sa.PrimaryKeyConstraint("run", "kind", "model", name=op.f("pk_run_models")),
    )
    op.create_index("ix_run_models_model", "run_models", ["model", "kind"], unique=False)
    op.create_table(
        "run_params",
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", _ordered(), nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name=op.f("fk_run_params_run")),
        sa.PrimaryKeyConstraint("run", "key", name=op.f("pk_run_params")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_params_find",
        "run_params",
        ["experiment", "key", sa.text("substr(value, 1, 64)"), "run"],
    )
    op.create_table(
        "run_tags",
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", _ordered(), nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name=op.f("fk_run_tags_run")),
        sa.PrimaryKeyConstraint("run", "key", name=op.f("pk_run_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_tags_find",
        "run_tags",
        ["experiment", "key", sa.text("substr(value, 1, 64)"), "run"],
    )


BACK = (
    "INSERT INTO experiments (id, name, created) SELECT id, name, created FROM old_experiments",
    """INSERT INTO runs (id, experiment, name, status, started, finished)
       SELECT id, experiment, name, status, started, finished FROM old_runs""",
    """INSERT INTO run_params SELECT r.id, o.key, o.value
       FROM old_run_params o JOIN old_runs r ON r.number = o.run""",
    """INSERT INTO run_tags SELECT r.id, o.key, o.value
       FROM old_run_tags o JOIN old_runs r ON r.number = o.run""",
    """INSERT INTO run_metrics (run, key, step, at, value)
       SELECT r.id, o.key, o.step, o.at, CASE WHEN o.nan THEN NULL ELSE o.value END
       FROM old_run_metrics o JOIN old_runs r ON r.number = o.run""",
    "INSERT INTO models (name, created) SELECT name, created FROM old_models",
    """INSERT INTO model_versions (model, version, key, digest, algorithm, run, dataset, cycle,
                                   metrics, files, created)
       SELECT model, version, key, digest, algorithm, run, dataset, cycle, metrics, files, created
       FROM old_model_versions WHERE digest IS NOT NULL""",
    """INSERT INTO model_aliases SELECT a.model, a.alias, a.version, a.updated
       FROM old_model_aliases a JOIN model_versions v
         ON v.model = a.model AND v.version = a.version""",
)


def downgrade() -> None:
    """What the older tables cannot hold is lost: histories, artifacts, tags of models, ..."""
    for name in reversed(ADDED):
        if name not in REMADE:
            op.drop_table(name)
    for name in REMADE:
        op.execute(f"CREATE TABLE old_{name} AS SELECT * FROM {name}")
        op.drop_table(name)
    create_as_before()
    for statement in BACK:
        op.execute(statement)
    for name in REMADE:
        op.drop_table(f"old_{name}")


def create_as_before() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("name", name=op.f("uq_experiments_name")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment"], ["experiments.id"], name=op.f("fk_runs_experiment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(
        "ix_runs_experiment_started", "runs", ["experiment", "started", "id"], unique=False
    )
    op.create_index("ix_runs_started", "runs", ["started", "id"], unique=False)
    op.create_table(
        "run_params",
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_run_params_run")),
        sa.PrimaryKeyConstraint("run", "key", name=op.f("pk_run_params")),
    )
    op.create_table(
        "run_tags",
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_run_tags_run")),
        sa.PrimaryKeyConstraint("run", "key", name=op.f("pk_run_tags")),
    )
    op.create_table(
        "run_metrics",
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_run_metrics_run")),
        sa.PrimaryKeyConstraint("run", "key", "step", name=op.f("pk_run_metrics")),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
    )
    op.create_table(
        "model_versions",
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=255), nullable=False),
        sa.Column("run", sa.String(length=32), nullable=True),
        sa.Column("dataset", sa.String(length=64), nullable=True),
        sa.Column("cycle", sa.String(length=64), nullable=True),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_model_versions_model")),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("model", "key", name=op.f("uq_model_versions_model_key")),
    )
    op.create_table(
        "model_aliases",
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("alias", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["model_versions.model", "model_versions.version"],
            name=op.f("fk_model_aliases_model_version"),
        ),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_model_aliases")),
    )
