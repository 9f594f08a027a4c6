"""The page of what runs beside the loops."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console.operations import OperationsPage, read_operations
from everloop.server.call import Call
from everloop.server.pages._base import shown


def operations(call: Call) -> Response:
    return shown("operations.html", operations_json(call))


def operations_json(call: Call) -> OperationsPage:
    return read_operations(call.project)
