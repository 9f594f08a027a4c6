"""``everloop runs``: what was logged, and what waits to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._options import limit as limit_option
from everloop.cli._output import detail, heading, next_step, number, print_json, say, table
from everloop.cli._run_views import (
    asked,
    delete_view,
    query_options,
    show_groups,
    show_views,
)
from everloop.cli._target import connected, settings_of
from everloop.loop.project import Project
from everloop.tracking.client.channels import send_leftovers
from everloop.tracking.client.place import place_of
from everloop.tracking.experiments import number_named
from everloop.tracking.views import RunQuery

experiment_option = click.option("--experiment", help="Only runs of the experiment of this name.")
order_option = click.option(
    "--order-by",
    "order_by",
    multiple=True,
    help='Such as "metrics.loss DESC"; may be given several times.',
)


@click.group("runs")
def command() -> None:
    """List, show and search runs; send what waits in a write-ahead file."""


@command.command("list")
@experiment_option
@order_option
@query_options
@limit_option(20, "runs")
@folder_option
@json_option
def list_runs(
    experiment: str | None,
    order_by: tuple[str, ...],
    group_by: str,
    metrics: tuple[str, ...],
    view: str | None,
    save_view: str | None,
    limit: int,
    folder: Path,
    as_json: bool,
) -> None:
    """List runs, the newest first, or count them in groups."""
    given = RunQuery(experiment or "", "", ", ".join(order_by), group_by=group_by)
    _list(folder, asked(folder, given, view, save_view), metrics, limit, as_json)


@command.command("search")
@click.argument("filter")
@experiment_option
@order_option
@query_options
@limit_option(20, "runs")
@folder_option
@json_option
def search(
    filter: str,
    experiment: str | None,
    order_by: tuple[str, ...],
    group_by: str,
    metrics: tuple[str, ...],
    view: str | None,
    save_view: str | None,
    limit: int,
    folder: Path,
    as_json: bool,
) -> None:
    """List the runs that FILTER leaves, such as "metrics.loss < 0.1 AND params.lr = '0.01'"."""
    given = RunQuery(experiment or "", filter, ", ".join(order_by), group_by=group_by)
    _list(folder, asked(folder, given, view, save_view), metrics, limit, as_json)


@command.command("views")
@folder_option
@json_option
def views(folder: Path, as_json: bool) -> None:
    """List the saved views of runs."""
    show_views(folder, as_json)


@command.command("delete-view")
@click.argument("name")
@folder_option
@json_option
def remove_view(name: str, folder: Path, as_json: bool) -> None:
    """Delete the saved view of that NAME; its runs stay."""
    delete_view(folder, name, as_json)


@command.command("show")
@click.argument("run")
@folder_option
@json_option
def show(run: str, folder: Path, as_json: bool) -> None:
    """Show the params, tags and newest metrics of one RUN."""
    found = _one(folder, run)
    if as_json:
        print_json(found)
        return
    heading(f"{found['name']}  {found['status']}, of {found['experiment']}")
    detail(found["id"], "run")
    detail(_when(found["started"]) + (f" by {found['user']}" if found["user"] else ""), "started")
    for key, value in found["params"].items():
        detail(f"{key} = {value}", "param")
    for key, point in found["metrics"].items():
        detail(f"{key} = {number(point['value'], 6)} at step {point['step']}", "metric")
    for key, value in found["tags"].items():
        detail(f"{key} = {value}", "tag")


@command.command("history")
@click.argument("run")
@click.argument("metric")
@click.option("--before", help="Where the page before ended.")
@limit_option(100, most=100_000)
@folder_option
@json_option
def history(
    run: str, metric: str, before: str | None, limit: int, folder: Path, as_json: bool
) -> None:
    """Show all points of a METRIC of a RUN, in the order of time."""
    with api(folder) as server:
        found, more = items(server, f"/runs/{run}/history", key=metric, before=before, limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
        return
    table(("step", "value", "at"), [(p["step"], p["value"], _when(p["at"])) for p in found])
    if more:
        next_step(f"everloop runs history {run} {metric} --before {more}", "shows later ones")


@command.command("delete")
@click.argument("run")
@folder_option
@json_option
def delete(run: str, folder: Path, as_json: bool) -> None:
    """Delete a RUN; it can be restored until gc."""
    _changed(folder, as_json, "DELETE", f"/runs/{run}")


@command.command("restore")
@click.argument("run")
@folder_option
@json_option
def restore(run: str, folder: Path, as_json: bool) -> None:
    """Take the deletion of a RUN back."""
    _changed(folder, as_json, "POST", f"/runs/{run}/restore")


def _changed(folder: Path, as_json: bool, method: str, path: str) -> None:
    with api(folder) as server:
        found = server.call(method, path, dict[str, Any])
    if as_json:
        print_json(found)
    else:
        say(f"run {found['id']} is {'there' if found['deleted'] is None else 'deleted'}.")


@command.command("sync")
@folder_option
@json_option
def sync(folder: Path, as_json: bool) -> None:
    """Send what programs that ended left in their write-ahead files; each record arrives once."""
    sent = send_leftovers(place_of(folder))
    if as_json:
        print_json(sent)
        return
    if not sent.clients and not sent.waiting:
        say("Nothing waits.")
    else:
        refused = f", {sent.refused:,} were refused" if sent.refused else ""
        say(f"{sent.sent:,} records sent{refused}.")
    if sent.waiting:
        next_step("everloop runs sync", "sends the rest when the server answers")


def _list(folder: Path, query: RunQuery, metrics: Sequence[str], limit: int, as_json: bool) -> None:
    if query.group_by:
        show_groups(folder, query, metrics, as_json)
        return
    found = _search(folder, query, limit)
    if as_json:
        print_json(found)
        return
    if not found:
        say("No runs.")
        return
    names = sorted({key for run in found for key in run["metrics"]})[:4]
    table(
        ["run", "name", "experiment", "status", "started", *names],
        [
            [
                run["id"],
                run["name"],
                run["experiment"],
                run["status"],
                _when(run["started"]),
                *(run["metrics"].get(name, {}).get("value") for name in names),
            ]
            for run in found
        ],
    )
    next_step(f"everloop runs show {found[0]['id']}", "shows everything of one")


def _search(folder: Path, query: RunQuery, limit: int) -> list[dict[str, Any]]:
    settings = settings_of(folder)
    if settings.server:
        wanted = {"filter": query.filter, "order_by": query.orders, "view": query.view,
                  "experiment": query.experiment or None}  # fmt: skip
        with connected(settings) as server:
            return server.page("/runs", dict[str, Any], limit=limit, **wanted)
    with Project.open(folder) as project:
        chosen = [number_named(project.db, query.experiment)] if query.experiment else None
        runs = project.runs.search(chosen, query.filter, query.orders, query.view, limit).items
        return [_plain(run) for run in runs]


def _one(folder: Path, run: str) -> dict[str, Any]:
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            return server.call("GET", f"/runs/{run}", dict[str, Any])
    with Project.open(folder) as project:
        return _plain(project.runs.get(run))


def _plain(run: object) -> dict[str, Any]:
    """As the server's JSON says it, where NaN is null."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(run))
    return plain


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
