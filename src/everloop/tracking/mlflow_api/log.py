"""What is logged to a run: metrics, params and tags."""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import field

from everloop.errors import Conflict, NotFound
from everloop.tracking.checks import PARAM, TAG
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import (
    check_batch,
    check_metric,
    check_metrics,
    check_param,
    check_run_id,
    check_tag,
    cut,
)
from everloop.tracking.mlflow_api.decode import Int64, Message, Required, Tag
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import MISSING, refuse
from everloop.tracking.records import Point

MODELS = "mlflow.log-model.history"
"""The tag that lists the models that a run logged, as clients before 3.0 read them."""

OF_MODEL = ("artifact_path", "flavors", "utc_time_created", "run_id")


class Metric(Point, frozen=True):
    """A point of a metric as the message has it."""

    key: Required
    value: float
    at: Int64 = field(name="timestamp")
    step: Int64 = 0
    model: str | None = field(name="model_id", default=None)
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogMetric(Message, frozen=True):
    run_id: Required
    key: Required
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class KeyValue(Message, frozen=True):
    run_id: Required
    key: Required
    value: str = ""


class DeleteTag(Message, frozen=True):
    run_id: Required
    key: Required


class LogBatch(Message, frozen=True):
    run_id: Required
    metrics: list[Metric] = field(default_factory=list)
    params: list[Tag] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)


class LogModel(Message, frozen=True):
    run_id: Required
    model_json: Required


def log_metric(api: Api, message: LogMetric) -> None:
    check_metric(message.key, message.value, message.timestamp)
    api.runs.log(message.run_id, points=(point(message),))


def log_param(api: Api, message: KeyValue) -> None:
    check_param(message.key, message.value)
    run, key, value = message.run_id, message.key, cut(message.value, PARAM)
    try:
        api.runs.log(run, params={key: value})
    except Conflict as error:
        if error.code != "param_changed":
            raise
        raise refuse(
            f"Changing param values is not allowed. Param with key='{key}' was already logged with"
            f" value='{error.expected}' for run ID='{run}'. Attempted logging new value '{value}'."
        ) from None


def log_batch(api: Api, message: LogBatch) -> None:
    run = message.run_id
    check_run_id(run)
    check_batch(message.metrics, message.params, message.tags)
    check_metrics(message.metrics)
    for number, param in enumerate(message.params):
        check_param(param.key, param.value, f"params[{number}].")
    for number, tag in enumerate(message.tags):
        check_tag(tag.key, tag.value, f"tags[{number}].")
    check_once(message.params)
    try:
        api.runs.log(
            run,
            points=message.metrics,
            params={param.key: cut(param.value, PARAM) for param in message.params},
            tags={tag.key: cut(tag.value, TAG) for tag in message.tags},
        )
    except Conflict as error:
        if error.code != "param_changed":
            raise
        raise refuse(
            "Changing param values is not allowed. Params were already"
            f" logged='{error.got}' for run ID='{run}'."
        ) from None


def check_once(params: Sequence[Tag]) -> None:
    """Refuses a param that is there twice."""
    seen: set[str] = set()
    twice = [one.key for one in params if one.key in seen or seen.add(one.key)]  # type: ignore[func-returns-value]
    if twice:
        raise refuse(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request"
            " contains only one param value per param key."
        )


def set_tag(api: Api, message: KeyValue) -> None:
    check_tag(message.key, message.value)
    api.runs.log(message.run_id, tags={message.key: cut(message.value, TAG)})


def delete_tag(api: Api, message: DeleteTag) -> None:
    run, key = message.run_id, message.key
    try:
        api.runs.delete_tag(run, key)
    except NotFound as error:
        if error.code != "tag_not_found":
            raise
        raise refuse(f"No tag with name: {key} in run with id {run}", MISSING) from None


def log_model(api: Api, message: LogModel) -> None:
    """Adds a model to the list in a tag, as clients before 3.0 do."""
    try:
        model = json.loads(message.model_json)
    except (ValueError, RecursionError):
        model = None
    if not isinstance(model, dict):
        shown = message.model_json[:1000]
        raise refuse(f"Malformed model info. \n {shown} \n is not a valid JSON.")
    missing = set(OF_MODEL) - set(model)
    if missing:
        raise refuse(f"Model json is missing mandatory fields: {missing}")
    kept = {key: model[key] for key in (*OF_MODEL, "model_uuid") if key in model}
    before = json.loads(api.runs.get(message.run_id).tags.get(MODELS, "[]"))
    models = [*before, kept]
    while len(value := json.dumps(models)) > TAG and len(models) > 1:
        del models[0]
    check_tag(MODELS, value)
    api.runs.log(message.run_id, tags={MODELS: cut(value, TAG)})


def point(metric: LogMetric) -> Point:
    """A message's metric as the store takes it."""
    return Point(
        metric.key,
        metric.value,
        metric.timestamp,
        metric.step,
        metric.model_id or None,
        metric.dataset_name or None,
        metric.dataset_digest or None,
    )


ENTRIES = (
    Entry("POST", "runs/log-metric", log_metric, "write", LogMetric, short=True),
    Entry("POST", "runs/log-parameter", log_param, "write", KeyValue, short=True),
    Entry("POST", "runs/log-batch", log_batch, "write", LogBatch, short=True),
    Entry("POST", "runs/set-tag", set_tag, "write", KeyValue, short=True),
    Entry("POST", "runs/delete-tag", delete_tag, "write", DeleteTag, short=True),
    Entry("POST", "runs/log-model", log_model, "write", LogModel),
)
