"""The page of what runs beside the loops."""

from __future__ import annotations

from everloop.console.operations import OperationsPage
from everloop.server.pages import operations
from everloop.server.routes.console._base import pair

# fmt: off
OPERATIONS = (
    *pair("/operations", operations.operations, operations.operations_json, OperationsPage,
          "The page of webhooks, imports, exports and events", "admin"),
)
# fmt: on
