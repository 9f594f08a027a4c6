"""Answers as clients read them: what several subjects share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from everloop.tracking.records import Point, Run, RunInputs


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A key with its value, as clients read a tag or a param."""

    key: str
    value: str


class Metric(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A value of a metric; JSON has no NaN, so that comes as text."""

    key: str
    value: float | str
    timestamp: int
    step: int | None = None
    run_id: str | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class RunData(msgspec.Struct, frozen=True):
    """What was logged to a run."""

    metrics: list[Metric]
    params: list[Pair] | msgspec.Raw
    tags: list[Pair] | msgspec.Raw


class RunInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run is, without what was logged to it."""

    run_id: str
    run_uuid: str
    run_name: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    end_time: int | None = None


def pairs(values: Mapping[str, str]) -> list[Pair]:
    """Tags or params."""
    return [Pair(key, value) for key, value in values.items()]


def mapping(given: Iterable[Any]) -> dict[str, str]:
    """Tags or params of a message; the last value of a key wins."""
    return {one.key: one.value for one in given}


def stage(deleted: int | None) -> str:
    """MLflow's word for whether a thing is deleted."""
    return "active" if deleted is None else "deleted"


def metric(point: Point, run: str | None = None) -> Metric:
    """A point of a metric."""
    return Metric(
        point.key,
        number(point.value),
        point.at,
        point.step,
        run,
        point.model,
        point.dataset_name,
        point.dataset_digest,
    )


def number(value: float) -> float | str:
    """A number that JSON can hold."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def run_info(run: Run) -> RunInfo:
    """A run's ``info``."""
    return RunInfo(
        run_id=run.id,
        run_uuid=run.id,
        run_name=run.name,
        experiment_id=str(run.experiment_id),
        user_id=run.user,
        status=run.status,
        start_time=run.started,
        end_time=run.finished,
        artifact_uri=run.location,
        lifecycle_stage=stage(run.deleted),
    )


def run_shape(run: Run, used: RunInputs | None = None) -> dict[str, Any]:
    """A whole run, with the data and models that it used and made."""
    metrics = [metric(point) for point in run.metrics.values()]
    data = RunData(metrics, pairs(run.params), pairs(run.tags))
    return {"info": run_info(run), "data": data, **({"inputs": {}} if used is None else uses(used))}


def uses(used: RunInputs) -> dict[str, Any]:
    """A run's ``inputs`` and ``outputs``."""
    datasets = [
        {
            "dataset": {
                key: value
                for key in ("name", "digest", "source_type", "source", "schema", "profile")
                if (value := getattr(dataset, key)) is not None
            },
            "tags": pairs(dataset.tags),
        }
        for dataset in used.datasets
    ]
    inputs = [{"model_id": one.model} for one in used.models if one.kind == "input"]
    outputs = [
        {"model_id": one.model, "step": one.step} for one in used.models if one.kind == "output"
    ]
    return {
        "inputs": {"dataset_inputs": datasets, "model_inputs": inputs},
        "outputs": {"model_outputs": outputs},
    }


def next_page(answer: dict[str, Any], token: str | None) -> dict[str, Any]:
    """The answer with the token of the page after it, if there is one."""
    return answer if token is None else answer | {"next_page_token": token}
