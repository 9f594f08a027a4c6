"""What the verbs of runs share: a query from options or a saved view, and runs in groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click
import msgspec

from everloop.cli._api import api, items
from everloop.cli._output import next_step, print_json, say, table
from everloop.tracking.views import RunQuery, SavedView

F = TypeVar("F", bound=Callable[..., Any])


def query_options(function: F) -> F:
    """``--group-by``, ``--metric``, ``--view`` and ``--save-view``."""
    for option in (
        click.option("--save-view", "save_view", help="Keep what is asked for under this name."),
        click.option("--view", help="Ask for what was saved under this name."),
        click.option("--metric", "metrics", multiple=True,
                     help="With --group-by: a metric to sum up; may be given several times."),
        click.option("--group-by", "group_by", default="",
                     help="Count runs by status, experiment, params.NAME or tags.NAME."),
    ):  # fmt: skip
        function = option(function)
    return function


def asked(folder: Path, given: RunQuery, view: str | None, save_view: str | None) -> RunQuery:
    """What options ask for, and a saved view where they say nothing; kept under a name on wish."""
    if view is None and save_view is None:
        return given
    with api(folder) as server:
        query = given
        if view is not None:
            saved = server.call("GET", f"/views/{quote(view, '')}", SavedView).query
            own = {key: value for key, value in msgspec.structs.asdict(given).items() if value}
            own.pop("view")  # which no option says
            query = msgspec.structs.replace(saved, **own)
        if save_view is not None:
            body = msgspec.to_builtins(query)
            server.call("PUT", f"/views/{quote(save_view, '')}", SavedView, json=body)
        return query


def show_groups(folder: Path, query: RunQuery, metrics: Sequence[str], as_json: bool) -> None:
    """Runs by groups, with the spread of metrics."""
    wanted: dict[str, Any] = {"by": query.group_by, "filter": query.filter, "view": query.view,
              "metric": list(metrics), "order_by": query.orders}  # fmt: skip
    if query.experiment:
        wanted["experiment"] = query.experiment
    with api(folder) as server:
        found = server.call("GET", "/runs/groups", dict[str, Any], params=wanted)
    if as_json:
        print_json(found)
        return
    heads = [f"{metric} {what}" for metric in metrics for what in ("least", "mean", "largest")]
    rows = []
    for group in found["groups"]:
        spreads = [group["metrics"].get(metric, {}) for metric in metrics]
        cells = [spread.get(what) for spread in spreads for what in ("min", "mean", "max")]
        rows.append(["–" if group["value"] is None else group["value"], group["runs"], *cells])
    table([query.group_by, "runs", *heads], rows)
    if not metrics:
        next_step(
            f"everloop runs list --group-by {query.group_by} --metric NAME", "sums up a metric"
        )


def show_views(folder: Path, as_json: bool) -> None:
    """The saved views."""
    with api(folder) as server:
        found, _ = items(server, "/views")
    if as_json:
        print_json({"items": found, "next": None})
        return
    if not found:
        say("No view was saved.")
        next_step('everloop runs list --order-by "metrics.NAME DESC" --save-view best', "saves one")
        return
    keys = ("experiment", "filter", "order_by", "group_by")
    rows = [(one["name"], one["owner"], *(one["query"][key] for key in keys)) for one in found]
    table(("view", "owner", "experiment", "filter", "order", "group by"), rows)
    next_step(f"everloop runs list --view {found[0]['name']!r}", "lists its runs")


def delete_view(folder: Path, name: str, as_json: bool) -> None:
    """Take a saved view away."""
    with api(folder) as server:
        found = server.call("DELETE", f"/views/{quote(name, '')}", dict[str, Any])
    if as_json:
        print_json(found)
    else:
        say(f"view {name!r} is deleted.")
