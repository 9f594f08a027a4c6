"""Every table, the same on SQLite and PostgreSQL; a file for each part that owns some."""

from everloop.store.tables._base import metadata
from everloop.store.tables.data import datasets
from everloop.store.tables.deploy import endpoints, rollouts
from everloop.store.tables.events import event_head, events
from everloop.store.tables.loop import cycle_steps, cycles, loops
from everloop.store.tables.monitor import alerts, log_offsets, log_parts, windows
from everloop.store.tables.moving import moves
from everloop.store.tables.registry import (
    model_aliases,
    model_tags,
    model_version_tags,
    model_versions,
    models,
    webhook_deliveries,
    webhooks,
)
from everloop.store.tables.tracking import (
    artifact_parts,
    artifact_uploads,
    artifacts,
    experiment_tags,
    experiments,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
    metric_points,
    run_clients,
    run_datasets,
    run_inputs,
    run_metrics,
    run_models,
    run_params,
    run_tags,
    runs,
)

__all__ = [
    "alerts",
    "artifact_parts",
    "artifact_uploads",
    "artifacts",
    "cycle_steps",
    "cycles",
    "datasets",
    "endpoints",
    "event_head",
    "events",
    "experiment_tags",
    "experiments",
    "log_offsets",
    "log_parts",
    "logged_model_metrics",
    "logged_model_params",
    "logged_model_tags",
    "logged_models",
    "loops",
    "metadata",
    "metric_points",
    "model_aliases",
    "model_tags",
    "model_version_tags",
    "model_versions",
    "models",
    "moves",
    "rollouts",
    "run_clients",
    "run_datasets",
    "run_inputs",
    "run_metrics",
    "run_models",
    "run_params",
    "run_tags",
    "runs",
    "webhook_deliveries",
    "webhooks",
    "windows",
]
