"""The table of MLflow's protocol: every path it answers, and what answers it.

One file holds the handlers of one subject and lists them in its ``ENTRIES``; this file puts the
lists together. The server mounts them, so nothing here knows of routers or of tokens.
"""

from __future__ import annotations

from everloop.tracking.mlflow_api import (
    artifacts,
    experiments,
    inputs,
    log,
    logged_models,
    metrics,
    models,
    multipart,
    proxy,
    runs,
    server_info,
    versions,
    webhooks,
)
from everloop.tracking.mlflow_api.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    *server_info.ENTRIES,
    *experiments.ENTRIES,
    *runs.ENTRIES,
    *log.ENTRIES,
    *metrics.ENTRIES,
    *inputs.ENTRIES,
    *logged_models.ENTRIES,
    *artifacts.ENTRIES,
    *proxy.ENTRIES,
    *multipart.ENTRIES,
    *models.ENTRIES,
    *versions.ENTRIES,
    *webhooks.ENTRIES,
)

OUT_OF_SCOPE = (
    "assessments",
    "datasets",
    "demo",
    "gateway",
    "gateway-proxy",
    "genai",
    "get-online-trace-details",
    "get-trace-artifact",
    "issues",
    "jobs",
    "label-schemas",
    "mcp-servers",
    "prompt-optimization",
    "review-queues",
    "runs/create-promptlab-run",
    "scorer",
    "scorers",
    "traces",
    "ui-telemetry",
    "unified-traces",
    "workspaces",
)
"""What is below these is for generative models or for MLflow's own console: answered with 501."""


def out_of_scope(path: str) -> bool:
    """Whether a path is one that MLflow answers and this server doesn't mean to."""
    if path == "/graphql":
        return True
    parts = path.strip("/").split("/")
    if len(parts) < 4 or parts[0] not in ("api", "ajax-api") or parts[2] != "mlflow":
        return False
    return parts[3] in OUT_OF_SCOPE or "/".join(parts[3:5]) in OUT_OF_SCOPE
