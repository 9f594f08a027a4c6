"""Runs: their life, and the search for them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import field

from everloop.errors import Conflict
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import (
    MOST_RESULTS,
    check_run_id,
    check_tag,
    experiment_id,
    named,
    page_size,
)
from everloop.tracking.mlflow_api.decode import Int64, Message, Required, Tag
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import refuse
from everloop.tracking.mlflow_api.experiments import view
from everloop.tracking.mlflow_api.found_runs import read_shapes
from everloop.tracking.mlflow_api.shapes import mapping, next_page, run_info, run_shape
from everloop.tracking.runs import RUN_NAME

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
Limit = Annotated[int, msgspec.Meta(le=MOST_RESULTS)]


class CreateRun(Message, frozen=True):
    experiment_id: str = "0"
    user_id: str = ""
    run_name: str = ""
    start_time: Int64 | None = None
    tags: list[Tag] = field(default_factory=list)


class RunById(Message, frozen=True):
    run_id: Required


class UpdateRun(Message, frozen=True):
    run_id: Required
    status: int | str | None = None
    end_time: Int64 | None = None
    run_name: str = ""


class SearchRuns(Message, frozen=True):
    experiment_ids: list[str] = field(default_factory=list)
    filter: str = ""
    run_view_type: int | str | None = None
    max_results: Limit = 1000
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


def create(api: Api, message: CreateRun) -> dict[str, Any]:
    for number, tag in enumerate(message.tags):
        check_tag(tag.key, tag.value, f"tags[{number}].")
    tags = mapping(message.tags)
    tagged = tags.get(RUN_NAME)
    if message.run_name and tagged and message.run_name != tagged:
        raise refuse(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different"
            f" values (run_name='{message.run_name}', mlflow.runName='{tagged}')."
        )
    run = api.runs.create(
        experiment_id(message.experiment_id or "0"),
        name=message.run_name or None,
        user=message.user_id,
        started=message.start_time,
        tags=tags,
    )
    return {"run": run_shape(run)}


def get(api: Api, message: RunById) -> dict[str, Any]:
    run = api.runs.get(message.run_id)
    return {"run": run_shape(run, api.inputs.of([run])[run.id])}


def update(api: Api, message: UpdateRun) -> dict[str, Any]:
    status: Any = named(message.status, STATUSES, "status")
    run = api.runs.update(
        message.run_id, status=status, finished=message.end_time, name=message.run_name or None
    )
    return {"run_info": run_info(run)}


def delete(api: Api, message: RunById) -> None:
    """Deleting what is deleted is no error."""
    check_run_id(message.run_id)
    try:
        api.runs.delete(message.run_id, api.actor)
    except Conflict as error:
        if error.code != "run_deleted":
            raise


def restore(api: Api, message: RunById) -> None:
    """Restoring what is not deleted is no error."""
    check_run_id(message.run_id)
    try:
        api.runs.restore(message.run_id, api.actor)
    except Conflict as error:
        if error.code != "run_active":
            raise


def search(api: Api, message: SearchRuns) -> dict[str, Any]:
    found = api.runs.search_as(
        read_shapes,
        [experiment_id(one) for one in message.experiment_ids],
        filter=message.filter,
        order_by=message.order_by,
        view=view(message.run_view_type, "run_view_type"),
        limit=page_size(message.max_results),
        token=message.page_token or None,
    )
    return next_page({"runs": found.items}, found.next)


ENTRIES = (
    Entry("POST", "runs/create", create, "write", CreateRun, short=True),
    Entry("GET", "runs/get", get, "read", RunById, short=True),
    Entry("POST", "runs/update", update, "write", UpdateRun, short=True),
    Entry("POST", "runs/delete", delete, "write", RunById),
    Entry("POST", "runs/restore", restore, "write", RunById),
    Entry("POST", "runs/search", search, "read", SearchRuns),
)
