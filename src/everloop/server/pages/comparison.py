"""Runs side by side."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console.runs.comparison import AskedOf, ComparePage, nothing_chosen, read_comparison
from everloop.console.runs.curves import chosen_runs
from everloop.server.api.curves import view_of
from everloop.server.call import Call
from everloop.server.pages._base import shown

QUERY = ("runs", "metric", "x", "from", "to", "smooth", "log", "every", "across", "up", "colour")


def compare(call: Call) -> Response:
    return shown("compare.html", compare_json(call))


def compare_json(call: Call) -> ComparePage:
    query, chosen = call.query, call.request.query_params.getlist("runs")
    names = ",".join(chosen)
    asked = AskedOf(
        runs=chosen_runs(names) if names.strip(" ,") else [],
        metrics=[key for key in call.request.query_params.getlist("metric") if key],
        view=view_of(call),
        every=bool(query.get("every")),
        across=query.get("across", ""),
        up=query.get("up", ""),
        colour=query.get("colour", ""),
    )
    return read_comparison(call.project, asked) if asked.runs else nothing_chosen(asked)
