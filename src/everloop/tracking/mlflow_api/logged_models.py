"""Logged models: what a run trained and kept, before it is registered under a name."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from msgspec import field

from everloop.errors import Conflict, InvalidInput, NotFound, shorten
from everloop.store.paging import pack, unpack
from everloop.tracking.checks import TAG
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import cut, experiment_id, named, page_size
from everloop.tracking.mlflow_api.decode import Int64, Message, Required, Tag
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import MISSING, refuse
from everloop.tracking.mlflow_api.shapes import Metric, mapping, next_page, number, pairs
from everloop.tracking.records import LoggedModel, MeasuredOn, ModelOrder, ModelStatus

STATUSES: dict[str, ModelStatus] = {
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
}
_NAMES = {status: name for name, status in STATUSES.items()}
_PARTS = (
    ("Experiment IDs", "do not", "experiment IDs"),
    ("Filter string", "does not", "filter string"),
    ("Order by", "does not", "order by"),
)
BAD_IN_NAME = ("/", ":", ".", "%", '"', "'")


class CreateLoggedModel(Message, frozen=True):
    experiment_id: Required
    name: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    params: list[Tag] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)


class ModelById(Message, frozen=True):
    model_id: Required
    allow_deleted: bool = False


class FinaliseLoggedModel(Message, frozen=True):
    model_id: Required
    status: int | str


class LogModelParams(Message, frozen=True):
    model_id: Required
    params: list[Tag] = field(default_factory=list)


class SetModelTags(Message, frozen=True):
    model_id: Required
    tags: list[Tag] = field(default_factory=list)


class DeleteModelTag(Message, frozen=True):
    model_id: Required
    tag_key: Required


class OnDataset(Message, frozen=True):
    dataset_name: str = ""
    dataset_digest: str | None = None


class Order(Message, frozen=True):
    field_name: Required
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchLoggedModels(Message, frozen=True):
    experiment_ids: list[str]
    filter: str = ""
    datasets: list[OnDataset] = field(default_factory=list)
    max_results: Int64 = 50
    order_by: list[Order] = field(default_factory=list)
    page_token: str = ""


def create(api: Api, message: CreateLoggedModel) -> dict[str, Any]:
    name = message.name or None
    if name is not None and any(character in name for character in BAD_IN_NAME):
        raise refuse(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string"
            f" and cannot contain the following characters: {BAD_IN_NAME}"
        )
    model = api.logged_models.create(
        experiment_id(message.experiment_id),
        name=name,
        run=message.source_run_id or None,
        type=message.model_type or None,
        params=mapping(message.params),
        tags={tag.key: cut(tag.value, TAG) for tag in message.tags},
    )
    return {"model": shape(model)}


def get(api: Api, message: ModelById) -> dict[str, Any]:
    return {"model": shape(api.logged_models.get(message.model_id, message.allow_deleted))}


def finalise(api: Api, message: FinaliseLoggedModel) -> dict[str, Any]:
    status = named(message.status, tuple(STATUSES), "status") or ""
    return {"model": shape(api.logged_models.finalise(message.model_id, STATUSES[status]))}


def delete(api: Api, message: ModelById) -> None:
    api.logged_models.delete(message.model_id)


def log_params(api: Api, message: LogModelParams) -> None:
    try:
        api.logged_models.log_params(message.model_id, mapping(message.params))
    except Conflict as error:
        if error.code != "param_changed":
            raise
        raise refuse(f"Changing param values is not allowed. {error.message}") from None


def set_tags(api: Api, message: SetModelTags) -> None:
    api.logged_models.set_tags(
        message.model_id, {tag.key: cut(tag.value, TAG) for tag in message.tags}
    )


def delete_tag(api: Api, message: DeleteModelTag) -> None:
    model, key = message.model_id, message.tag_key
    try:
        api.logged_models.delete_tag(model, key)
    except NotFound as error:
        if error.code != "tag_not_found":
            raise
        raise refuse(
            f"No tag with key {key!r} found for model with ID {model!r}.", MISSING
        ) from None


def search(api: Api, message: SearchLoggedModels) -> dict[str, Any]:
    if not all(one.dataset_name for one in message.datasets):
        raise refuse("`dataset_name` in the `datasets` clause must be specified.")
    try:
        found = api.logged_models.search(
            [experiment_id(one) for one in message.experiment_ids],
            filter=message.filter,
            datasets=[
                MeasuredOn(one.dataset_name, one.dataset_digest or None) for one in message.datasets
            ],
            order_by=[
                ModelOrder(
                    one.field_name,
                    one.ascending,
                    one.dataset_name or None,
                    one.dataset_digest or None,
                )
                for one in message.order_by
            ],
            limit=page_size(message.max_results or 50),
            token=_own_token(message),
        )
    except InvalidInput as error:
        if error.code != "bad_filter":
            raise
        said = error.message.replace("Invalid comparator", "Invalid comparison operator")
        raise refuse(f"Invalid filter string: {shorten(message.filter)}. {said}") from None
    token = None if found.next is None else pack([*_asked(message), found.next])
    return next_page({"models": [shape(model) for model in found.items]}, token)


def _asked(message: SearchLoggedModels) -> tuple[str, str, str]:
    """What a page's token is good for, each part in a few characters."""
    parts = (sorted(message.experiment_ids), message.filter, message.order_by)
    first, second, third = (sha256(msgspec.json.encode(one)).hexdigest()[:16] for one in parts)
    return first, second, third


def _own_token(message: SearchLoggedModels) -> str | None:
    """The store's token, out of one that was given for the same question."""
    if not message.page_token:
        return None
    *given, token = unpack(message.page_token, tuple[str, str, str, str])
    for had, asked, name in zip(given, _asked(message), _PARTS, strict=True):
        if had != asked:
            raise refuse(f"{name[0]} in the page token {name[1]} match the requested {name[2]}.")
    return token


def shape(model: LoggedModel) -> dict[str, Any]:
    """A logged model as clients read it."""
    info = {
        "model_id": model.id,
        "experiment_id": str(model.experiment_id),
        "name": model.name,
        "artifact_uri": model.location,
        "creation_timestamp_ms": model.created,
        "last_updated_timestamp_ms": model.updated,
        "model_type": model.type,
        "source_run_id": model.run,
        "status": _NAMES[model.status],
        "status_message": model.message,
        "tags": pairs(model.tags),
    }
    metrics = [
        Metric(
            one.key,
            number(one.value),
            one.at,
            one.step,
            one.run,
            model.id,
            one.dataset_name,
            one.dataset_digest,
        )
        for one in model.metrics
    ]
    return {
        "info": {key: value for key, value in info.items() if value is not None},
        "data": {"params": pairs(model.params), "metrics": metrics},
    }


ENTRIES = (
    Entry("POST", "logged-models", create, "write", CreateLoggedModel),
    Entry("POST", "logged-models/search", search, "read", SearchLoggedModels),
    Entry("GET", "logged-models/{model_id}", get, "read", ModelById),
    Entry("PATCH", "logged-models/{model_id}", finalise, "write", FinaliseLoggedModel),
    Entry("DELETE", "logged-models/{model_id}", delete, "write", ModelById),
    Entry("POST", "logged-models/{model_id}/params", log_params, "write", LogModelParams),
    Entry("PATCH", "logged-models/{model_id}/tags", set_tags, "write", SetModelTags),
    Entry(
        "DELETE",
        "logged-models/{model_id}/tags/{tag_key:path}",
        delete_tag,
        "write",
        DeleteModelTag,
    ),
)
