"""The pages of those who run the server, and how a browser signs in."""

from __future__ import annotations

from everloop.console.operations import OperationsPage
from everloop.server.pages import access, operations
from everloop.server.routes._paths import HTML
from everloop.server.routes.console._base import pair
from everloop.server.routing import Route

# fmt: off
OPERATIONS = (
    Route("GET", "/sign-in", access.sign_in, "public",
          "Asks a browser for a person's name and token; leads to the path of the query",
          status=303, media=HTML, query=("to",)),
    *pair("/operations", operations.operations, operations.operations_json, OperationsPage,
          "The page of webhooks, imports, exports and events", "admin"),
)
# fmt: on
