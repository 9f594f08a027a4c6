"""Experiments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from msgspec import field

from everloop.errors import Conflict, NotFound
from everloop.tracking.experiments import VALUE
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import (
    check_experiment_name,
    check_tag,
    experiment_id,
    named,
    page_size,
)
from everloop.tracking.mlflow_api.decode import Int64, Message, Required, Tag
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import MISSING, refuse
from everloop.tracking.mlflow_api.places import check_location
from everloop.tracking.mlflow_api.shapes import next_page, pairs, stage
from everloop.tracking.records import Experiment, View

VIEWS = ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")
_VIEW: dict[str | None, View] = {
    None: "active",
    "ACTIVE_ONLY": "active",
    "DELETED_ONLY": "deleted",
    "ALL": "all",
}


class CreateExperiment(Message, frozen=True):
    name: Required
    artifact_location: str = ""
    tags: list[Tag] = field(default_factory=list)


class ExperimentById(Message, frozen=True):
    experiment_id: Required


class ExperimentByName(Message, frozen=True):
    experiment_name: Required


class UpdateExperiment(Message, frozen=True):
    experiment_id: Required
    new_name: Required


class SetExperimentTag(Message, frozen=True):
    experiment_id: Required
    key: Required
    value: str = ""


class DeleteExperimentTag(Message, frozen=True):
    experiment_id: Required
    key: Required


class SearchExperiments(Message, frozen=True):
    view_type: int | str | None = None
    max_results: Int64 = 1000
    order_by: list[str] = field(default_factory=list)
    filter: str = ""
    page_token: str = ""


def create(api: Api, message: CreateExperiment) -> dict[str, str]:
    check_experiment_name(message.name)
    location = message.artifact_location
    for tag in message.tags:
        check_tag(tag.key, tag.value, most=VALUE)
    made = api.experiments.create(
        message.name,
        location=check_location(location) if location else None,
        tags={tag.key: tag.value for tag in message.tags},
    )
    return {"experiment_id": str(made.id)}


def get(api: Api, message: ExperimentById) -> dict[str, Any]:
    return {"experiment": shape(api.experiments.get(experiment_id(message.experiment_id)))}


def by_name(api: Api, message: ExperimentByName) -> dict[str, Any]:
    found = api.experiments.by_name(message.experiment_name)
    if found is None:
        raise refuse(f"Could not find experiment with name '{message.experiment_name}'", MISSING)
    return {"experiment": shape(found)}


def search(api: Api, message: SearchExperiments) -> dict[str, Any]:
    found = api.experiments.search(
        filter=message.filter,
        order_by=message.order_by,
        view=view(message.view_type),
        limit=page_size(message.max_results),
        token=message.page_token or None,
    )
    return next_page({"experiments": [shape(one) for one in found.items]}, found.next)


def update(api: Api, message: UpdateExperiment) -> None:
    check_experiment_name(message.new_name)
    api.experiments.rename(experiment_id(message.experiment_id), message.new_name)


def delete(api: Api, message: ExperimentById) -> None:
    with _in_its_state(message):
        api.experiments.delete(experiment_id(message.experiment_id), api.actor)


def restore(api: Api, message: ExperimentById) -> None:
    with _in_its_state(message):
        api.experiments.restore(experiment_id(message.experiment_id), api.actor)


@contextlib.contextmanager
def _in_its_state(message: ExperimentById) -> Iterator[None]:
    """What is deleted is not there to delete, and what is not is not there to restore."""
    try:
        yield
    except Conflict as error:
        if error.code not in ("experiment_deleted", "experiment_active"):
            raise
        raise refuse(f"No Experiment with id={message.experiment_id} exists", MISSING) from None


def set_tag(api: Api, message: SetExperimentTag) -> None:
    check_tag(message.key, message.value, most=VALUE)
    api.experiments.set_tag(experiment_id(message.experiment_id), message.key, message.value)


def delete_tag(api: Api, message: DeleteExperimentTag) -> None:
    id = experiment_id(message.experiment_id)
    try:
        api.experiments.delete_tag(id, message.key)
    except NotFound as error:
        if error.code != "tag_not_found":
            raise
        raise refuse(
            f"No tag with name: {message.key} in experiment with id {id}", MISSING
        ) from None


def view(value: int | str | None, parameter: str = "view_type") -> View:
    """Which of the deleted and the others are meant."""
    return _VIEW[named(value or None, VIEWS, parameter)]


def shape(experiment: Experiment) -> dict[str, Any]:
    """An experiment as clients read it."""
    return {
        "experiment_id": str(experiment.id),
        "name": experiment.name,
        "artifact_location": experiment.location,
        "lifecycle_stage": stage(experiment.deleted),
        "last_update_time": experiment.updated,
        "creation_time": experiment.created,
        "tags": pairs(experiment.tags),
    }


ENTRIES = (
    Entry("POST", "experiments/create", create, "write", CreateExperiment),
    Entry("GET", "experiments/get", get, "read", ExperimentById, short=True),
    Entry("GET", "experiments/get-by-name", by_name, "read", ExperimentByName, short=True),
    Entry("GET", "experiments/search", search, "read", SearchExperiments),
    Entry("POST", "experiments/search", search, "read", SearchExperiments),
    Entry("POST", "experiments/update", update, "write", UpdateExperiment),
    Entry("POST", "experiments/delete", delete, "write", ExperimentById),
    Entry("POST", "experiments/restore", restore, "write", ExperimentById),
    Entry("POST", "experiments/set-experiment-tag", set_tag, "write", SetExperimentTag),
    Entry("POST", "experiments/delete-experiment-tag", delete_tag, "write", DeleteExperimentTag),
)
