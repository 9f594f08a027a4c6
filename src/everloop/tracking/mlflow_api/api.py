"""What a handler of MLflow's protocol works with: the stores, and who calls."""

from __future__ import annotations

from dataclasses import dataclass

from everloop.registry.models import ModelStore
from everloop.registry.webhooks.store import WebhookStore
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.inputs import InputStore
from everloop.tracking.logged_models import LoggedModelStore
from everloop.tracking.runs import RunStore


@dataclass(frozen=True, slots=True)
class Api:
    """The stores of one project, and the ``actor`` that changes are recorded under."""

    experiments: ExperimentStore
    runs: RunStore
    inputs: InputStore
    logged_models: LoggedModelStore
    artifacts: ArtifactStore
    registry: ModelStore
    webhooks: WebhookStore
    actor: str
