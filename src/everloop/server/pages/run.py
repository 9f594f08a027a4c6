"""A run's page."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console.run import RunPage, read_run_page
from everloop.server.call import Call
from everloop.server.pages._base import shown


def run(call: Call) -> Response:
    return shown("run.html", run_json(call))


def run_json(call: Call) -> RunPage:
    return read_run_page(call.project, call.path["run"], call.query.get("folder", ""))
