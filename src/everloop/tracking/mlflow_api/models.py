"""Registered models, their tags and aliases."""

from __future__ import annotations

from typing import Any

from msgspec import field

from everloop.errors import Conflict, InvalidInput
from everloop.registry.records import Model, ModelVersion, is_prompt
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import check_key, page_size
from everloop.tracking.mlflow_api.decode import Int64, Message, Required, Tag
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import TAKEN, WireError, refuse
from everloop.tracking.mlflow_api.registry_checks import (
    check_alias,
    check_description,
    check_free_alias,
    check_model_name,
    check_tags,
    of_version,
    version_number,
)
from everloop.tracking.mlflow_api.shapes import next_page, pairs
from everloop.tracking.mlflow_api.versions import check_stage
from everloop.tracking.mlflow_api.versions import shape as version_shape


class CreateModel(Message, frozen=True):
    name: Required
    tags: list[Tag] = field(default_factory=list)
    description: str | None = None


class ModelByName(Message, frozen=True):
    name: Required


class UpdateModel(Message, frozen=True):
    name: Required
    description: str = ""


class RenameModel(Message, frozen=True):
    name: Required
    new_name: Required


class SearchModels(Message, frozen=True):
    filter: str = ""
    max_results: Int64 = 100
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class LatestVersions(Message, frozen=True):
    name: Required
    stages: list[str] = field(default_factory=list)


class SetModelTag(Message, frozen=True):
    name: Required
    key: Required
    value: str = ""


class DeleteModelTag(Message, frozen=True):
    name: Required
    key: Required


class SetAlias(Message, frozen=True):
    name: Required
    alias: Required
    version: Required


class AliasByName(Message, frozen=True):
    name: Required
    alias: Required


def create(api: Api, message: CreateModel) -> dict[str, Any]:
    check_model_name(message.name)
    check_description(message.description)
    tags = check_tags(message.tags)
    try:
        made = api.registry.create_model(
            message.name, description=message.description, tags=tags, actor=api.actor
        )
    except Conflict as error:
        if error.code != "model_exists":
            raise
        raise _taken(api, message.name, is_prompt(tags)) from None
    return {"registered_model": shape(made, [])}


def get(api: Api, message: ModelByName) -> dict[str, Any]:
    check_model_name(message.name)
    return {"registered_model": _whole(api, api.registry.get_model(message.name))}


def update(api: Api, message: UpdateModel) -> dict[str, Any]:
    check_model_name(message.name)
    check_description(message.description)
    made = api.registry.update_model(message.name, description=message.description, actor=api.actor)
    return {"registered_model": _whole(api, made)}


def rename(api: Api, message: RenameModel) -> dict[str, Any]:
    check_model_name(message.new_name, "new_name")
    check_model_name(message.name)
    made = api.registry.rename(message.name, message.new_name, api.actor)
    return {"registered_model": _whole(api, made)}


def delete(api: Api, message: ModelByName) -> None:
    check_model_name(message.name)
    api.registry.delete_model(message.name, api.actor)


def search(api: Api, message: SearchModels) -> dict[str, Any]:
    try:
        found = api.registry.search_models(
            filter=message.filter,
            order_by=message.order_by,
            limit=page_size(message.max_results, 1000),
            token=message.page_token or None,
        )
    except InvalidInput as error:
        if error.code != "bad_order_by":
            raise
        words = error.message.replace("Invalid attribute key", "Invalid order by key")
        raise refuse(words) from None
    latest = api.registry.latest_versions([model.name for model in found.items])
    shapes = [shape(model, latest[model.name]) for model in found.items]
    return next_page({"registered_models": shapes}, found.next)


def latest_versions(api: Api, message: LatestVersions) -> dict[str, Any]:
    check_model_name(message.name)
    stages = [check_stage(stage) for stage in message.stages]
    api.registry.get_model(message.name)
    found = api.registry.latest_versions([message.name], stages)[message.name]
    return {"model_versions": [version_shape(version) for version in found]}


def set_tag(api: Api, message: SetModelTag) -> None:
    check_model_name(message.name)
    check_tags([Tag(key=message.key, value=message.value)])
    api.registry.set_model_tag(message.name, message.key, message.value, api.actor)


def delete_tag(api: Api, message: DeleteModelTag) -> None:
    check_model_name(message.name)
    check_key(message.key, "key")
    api.registry.delete_model_tag(message.name, message.key, api.actor)


@of_version
def set_alias(api: Api, message: SetAlias) -> None:
    check_model_name(message.name)
    check_free_alias(message.alias)
    number = version_number(message.version, message.name)
    api.registry.set_alias(message.name, message.alias, number, api.actor)


def delete_alias(api: Api, message: AliasByName) -> None:
    check_model_name(message.name)
    check_alias(message.alias)
    api.registry.get_model(message.name)
    api.registry.delete_alias(message.name, message.alias, api.actor)


def by_alias(api: Api, message: AliasByName) -> dict[str, Any]:
    check_model_name(message.name)
    check_alias(message.alias)
    return {"model_version": version_shape(api.registry.by_alias(message.name, message.alias))}


def shape(model: Model, latest: list[ModelVersion]) -> dict[str, Any]:
    """A model as clients read it."""
    made: dict[str, Any] = {
        "name": model.name,
        "creation_timestamp": model.created,
        "last_updated_timestamp": model.updated,
        "latest_versions": [version_shape(version) for version in latest],
        "tags": pairs(model.tags),
        "aliases": [
            {"alias": alias, "version": str(number)} for alias, number in model.aliases.items()
        ],
    }
    return made | ({"description": model.description} if model.description else {})


def _whole(api: Api, model: Model) -> dict[str, Any]:
    return shape(model, api.registry.latest_versions([model.name])[model.name])


def _taken(api: Api, name: str, prompt: bool) -> WireError:
    """A model and a prompt cannot share a name, and who tries is told so."""
    words = {True: "Prompt", False: "Registered Model"}
    new, old = words[prompt], words[is_prompt(api.registry.get_model(name).tags)]
    if new == old:
        return refuse(f"{new} (name={name}) already exists.", TAKEN)
    return refuse(
        f"Tried to create a {new.lower()} with name {name!r}, but the name is already taken by a"
        f" {old.lower()}. MLflow does not allow creating a model and a prompt with the same name.",
        TAKEN,
    )


ENTRIES = (
    Entry("POST", "registered-models/create", create, "write", CreateModel),
    Entry("GET", "registered-models/get", get, "read", ModelByName),
    Entry("PATCH", "registered-models/update", update, "write", UpdateModel),
    Entry("POST", "registered-models/rename", rename, "write", RenameModel),
    Entry("DELETE", "registered-models/delete", delete, "write", ModelByName),
    Entry("GET", "registered-models/search", search, "read", SearchModels),
    Entry("GET", "registered-models/get-latest-versions", latest_versions, "read", LatestVersions),
    Entry("POST", "registered-models/get-latest-versions", latest_versions, "read", LatestVersions),
    Entry("POST", "registered-models/set-tag", set_tag, "write", SetModelTag),
    Entry("DELETE", "registered-models/delete-tag", delete_tag, "write", DeleteModelTag),
    Entry("POST", "registered-models/alias", set_alias, "write", SetAlias),
    Entry("DELETE", "registered-models/alias", delete_alias, "write", AliasByName),
    Entry("GET", "registered-models/alias", by_alias, "read", AliasByName),
)
