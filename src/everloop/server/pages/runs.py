"""Pages of runs."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console.runs import Asked, RunsPage, no_runs, read_runs_page
from everloop.errors import InvalidInput
from everloop.server.call import Call
from everloop.server.pages._base import shown


def runs(call: Call) -> Response:
    """The table of runs; a filter that cannot be read is shown with what is wrong in it."""
    try:
        page, error = runs_json(call), None
    except InvalidInput as refused:
        page, error = no_runs(call.project, _asked(call)), refused
    return shown("runs.html", page, error)


def runs_json(call: Call) -> RunsPage:
    return read_runs_page(call.project, _asked(call))


def _asked(call: Call) -> Asked:
    return Asked(**{name: call.query.get(name, "") for name in Asked.__struct_fields__})
