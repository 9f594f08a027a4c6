"""Which data and models a run used, and which models it made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import field

from everloop.tracking.inputs import DIGEST, NAME, PROFILE, SCHEMA, SOURCE, TAG_KEY, TAG_VALUE
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import check_run_id, experiment_id
from everloop.tracking.mlflow_api.decode import Int64, Message, Required, Tag
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import refuse, too_long
from everloop.tracking.mlflow_api.shapes import mapping
from everloop.tracking.records import DatasetUse, ModelUse

EXPERIMENTS = 20
"""Most experiments whose datasets are asked for at once."""


class Dataset(Message, frozen=True):
    name: Required
    digest: Required
    source_type: str = ""
    source: str = ""
    schema: str | None = None
    profile: str | None = None


class DatasetInput(Message, frozen=True, kw_only=True):
    tags: list[Tag] = field(default_factory=list)
    dataset: Dataset


class ModelInput(Message, frozen=True):
    model_id: Required


class ModelOutput(Message, frozen=True):
    model_id: Required
    step: Int64 = 0


class LogInputs(Message, frozen=True):
    run_id: Required
    datasets: list[DatasetInput] = field(default_factory=list)
    models: list[ModelInput] = field(default_factory=list)


class LogOutputs(Message, frozen=True):
    run_id: Required
    models: list[ModelOutput]


class SearchDatasets(Message, frozen=True):
    experiment_ids: list[str] = field(default_factory=list)


def log_inputs(api: Api, message: LogInputs) -> None:
    check_run_id(message.run_id)
    for given in message.datasets:
        _check(given)
    api.inputs.log_inputs(
        message.run_id,
        [
            DatasetUse(
                name=one.dataset.name,
                digest=one.dataset.digest,
                source_type=one.dataset.source_type,
                source=one.dataset.source,
                schema=one.dataset.schema,
                profile=one.dataset.profile,
                tags=mapping(one.tags),
            )
            for one in message.datasets
        ],
        [ModelUse(model=one.model_id, kind="input") for one in message.models],
    )


def _check(given: DatasetInput) -> None:
    """Refuses a dataset of which something is longer than MLflow allows."""
    dataset = given.dataset
    limits: Sequence[tuple[str, str | None, int]] = (
        ("name", dataset.name, NAME),
        ("digest", dataset.digest, DIGEST),
        ("source", dataset.source, SOURCE),
        ("schema", dataset.schema, SCHEMA),
        ("profile", dataset.profile, PROFILE),
        *(("key", tag.key, TAG_KEY) for tag in given.tags),
        *(("value", tag.value, TAG_VALUE) for tag in given.tags),
    )
    for name, text, limit in limits:
        if text is not None and len(text) > limit:
            raise too_long(name, limit)


def log_outputs(api: Api, message: LogOutputs) -> None:
    models = [ModelUse(model=one.model_id, kind="output", step=one.step) for one in message.models]
    api.inputs.log_outputs(message.run_id, models)


def search_datasets(api: Api, message: SearchDatasets) -> dict[str, Any]:
    ids = message.experiment_ids
    if not ids:
        raise refuse("SearchDatasets request must specify at least one experiment_id.")
    if len(ids) > EXPERIMENTS:
        raise refuse(
            f"SearchDatasets request cannot specify more than {EXPERIMENTS} experiment_ids."
            f" Received {len(ids)} experiment_ids."
        )
    found = [
        {"experiment_id": str(one.experiment_id), "name": one.name, "digest": one.digest}
        | ({} if one.context is None else {"context": one.context})
        for one in api.inputs.datasets([experiment_id(id) for id in ids])
    ]
    return {"dataset_summaries": found}


ENTRIES = (
    Entry("POST", "runs/log-inputs", log_inputs, "write", LogInputs),
    Entry("POST", "runs/outputs", log_outputs, "write", LogOutputs),
    Entry("POST", "experiments/search-datasets", search_datasets, "read", SearchDatasets),
)
