"""Versions of registered models."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import field

from everloop.errors import InvalidInput
from everloop.registry import records
from everloop.registry.records import STAGES, ModelVersion, Stage, is_prompt
from everloop.registry.versions import ACTIVE_STAGES
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import check_key, page_size
from everloop.tracking.mlflow_api.decode import Int64, Message, Required, Tag
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import refuse, too_long
from everloop.tracking.mlflow_api.registry_checks import (
    check_description,
    check_model_name,
    check_tags,
    of_version,
    version_number,
)
from everloop.tracking.mlflow_api.shapes import next_page, pairs
from everloop.tracking.records import MODEL_VERSIONS
from everloop.tracking.sources import Origin, origin

PROMPT_SOURCES = ("dummy-source", "prompt-template")
"""What clients send as the source of a prompt, which has none."""

_LENGTHS = {"run_id": 32, "model_id": 64, "run_link": 10_000, "source": 10_000}


class CreateVersion(Message, frozen=True):
    name: Required
    source: Required
    run_id: str | None = None
    tags: list[Tag] = field(default_factory=list)
    run_link: str | None = None
    description: str | None = None
    model_id: str | None = None


class VersionByNumber(Message, frozen=True):
    name: Required
    version: Required


class UpdateVersion(Message, frozen=True):
    name: Required
    version: Required
    description: str | None = None


class TransitionStage(Message, frozen=True):
    name: Required
    version: Required
    stage: Required
    archive_existing_versions: bool = False


class SearchVersions(Message, frozen=True):
    filter: str = ""
    max_results: Int64 = 200_000
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class SetVersionTag(Message, frozen=True):
    name: Required
    version: Required
    key: Required
    value: str = ""


class DeleteVersionTag(Message, frozen=True):
    name: Required
    version: Required
    key: Required


def create(api: Api, message: CreateVersion) -> dict[str, Any]:
    check_model_name(message.name)
    check_description(message.description)
    for name, limit in _LENGTHS.items():
        if len(getattr(message, name) or "") > limit:
            raise too_long(name, limit)
    tags = check_tags(message.tags)
    api.registry.get_model(message.name)
    if is_prompt(tags):
        _check_prompt_source(message.source)
        made_from = Origin(message.source, None, message.run_id or None, message.model_id or None)
    else:
        made_from = origin(api, message.source, message.run_id, message.model_id)
    made = api.registry.create_version(
        message.name,
        source=made_from.source,
        location=made_from.location,
        run=made_from.run,
        logged_model=made_from.model,
        run_link=message.run_link or None,
        description=message.description or "",  # which clients tell from none
        tags=tags,
        actor=api.actor,
    )
    if made_from.model and not is_prompt(tags):
        _note_on_logged_model(api, made_from.model, made)
    return {"model_version": shape(made)}


def _check_prompt_source(source: str) -> None:
    if source not in PROMPT_SOURCES:
        raise refuse(
            f"Invalid prompt source: '{source[:300]}'. Prompt sources must use an MLflow"
            " placeholder."
        )


@of_version
def get(api: Api, message: VersionByNumber) -> dict[str, Any]:
    return {"model_version": shape(api.registry.version(*_named(message)))}


@of_version
def update(api: Api, message: UpdateVersion) -> dict[str, Any]:
    check_description(message.description)
    made = api.registry.update_version(
        *_named(message), description=message.description, actor=api.actor
    )
    return {"model_version": shape(made)}


@of_version
def transition(api: Api, message: TransitionStage) -> dict[str, Any]:
    stage = check_stage(message.stage)
    if message.archive_existing_versions and stage not in ACTIVE_STAGES:
        raise refuse(
            "Model version transition cannot archive existing model versions because"
            f" '{message.stage}' is not an Active stage. Valid stages are {list(ACTIVE_STAGES)}"
        )
    made = api.registry.transition(
        *_named(message),
        stage,
        archive_existing=message.archive_existing_versions,
        actor=api.actor,
    )
    return {"model_version": shape(made)}


@of_version
def delete(api: Api, message: VersionByNumber) -> None:
    api.registry.delete_version(*_named(message), api.actor)


def search(api: Api, message: SearchVersions) -> dict[str, Any]:
    found = api.registry.search_versions(
        filter=message.filter,
        order_by=message.order_by,
        limit=page_size(message.max_results, 200_000),
        token=message.page_token or None,
    )
    return next_page({"model_versions": [shape(one) for one in found.items]}, found.next)


@of_version
def download_uri(api: Api, message: VersionByNumber) -> dict[str, str]:
    version = api.registry.version(*_named(message))
    uri = version.location or version.source
    if uri is None:
        raise refuse(
            f"The version {version} is a model package of everloop's own, which has no place that"
            " an MLflow client reads; deploy it, or read /api/v1/models."
        )
    return {"artifact_uri": uri}


@of_version
def set_tag(api: Api, message: SetVersionTag) -> None:
    name, number = _named(message)
    check_tags([Tag(key=message.key, value=message.value)])
    api.registry.set_version_tag(name, number, message.key, message.value, api.actor)


@of_version
def delete_tag(api: Api, message: DeleteVersionTag) -> None:
    name, number = _named(message)
    check_key(message.key, "key")
    api.registry.delete_version_tag(name, number, message.key, api.actor)


def check_stage(text: str) -> Stage:
    """The stage that a text means, in whatever case it is written."""
    try:
        return records.check_stage(text)
    except InvalidInput:
        raise refuse(
            f"Invalid Model Version stage: {text[:100]}. Value must be one of {', '.join(STAGES)}."
        ) from None


def shape(version: ModelVersion) -> dict[str, Any]:
    """A version as clients read it; what is not known is left out."""
    made: dict[str, Any] = {
        "name": version.model,
        "version": str(version.version),
        "creation_timestamp": version.created,
        "last_updated_timestamp": version.updated,
        "current_stage": version.stage,
        "status": version.status,
        "tags": pairs(version.tags),
        "aliases": version.aliases,
    }
    known = {
        "user_id": version.user,
        "source": version.source,
        "run_id": version.run,
        "status_message": version.status_message,
        "run_link": version.run_link,
        "model_id": version.logged_model,
    }
    described = {} if version.description is None else {"description": version.description}
    return made | described | {key: value for key, value in known.items() if value}


def _named(message: Any) -> tuple[str, int]:
    check_model_name(message.name)
    return message.name, version_number(message.version, message.name)


def _note_on_logged_model(api: Api, model: str, version: ModelVersion) -> None:
    """Let the logged model's tag name the version as well."""
    note = {"name": version.model, "version": version.version}
    said = api.logged_models.get(model).tags.get(MODEL_VERSIONS)
    try:
        notes = msgspec.json.decode(said, type=list[Any]) if said else []
    except msgspec.DecodeError:
        notes = []
    if note not in notes:
        text = json.dumps([*notes, note])  # the spaces too are MLflow's
        api.logged_models.set_tags(model, {MODEL_VERSIONS: text})


ENTRIES = (
    Entry("POST", "model-versions/create", create, "write", CreateVersion),
    Entry("GET", "model-versions/get", get, "read", VersionByNumber),
    Entry("PATCH", "model-versions/update", update, "write", UpdateVersion),
    Entry("POST", "model-versions/transition-stage", transition, "write", TransitionStage),
    Entry("DELETE", "model-versions/delete", delete, "write", VersionByNumber),
    Entry("GET", "model-versions/search", search, "read", SearchVersions),
    Entry("GET", "model-versions/get-download-uri", download_uri, "read", VersionByNumber),
    Entry("POST", "model-versions/set-tag", set_tag, "write", SetVersionTag),
    Entry("DELETE", "model-versions/delete-tag", delete_tag, "write", DeleteVersionTag),
)
