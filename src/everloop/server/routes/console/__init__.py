"""The console's pages, each with its JSON twin; one file for each group of them."""

from __future__ import annotations

from everloop.server.pages import assets, changes
from everloop.server.routes.console.access import ACCESS
from everloop.server.routes.console.alerts import ALERTS
from everloop.server.routes.console.datasets import DATASETS
from everloop.server.routes.console.endpoints import ENDPOINTS
from everloop.server.routes.console.loops import LOOPS
from everloop.server.routes.console.models import MODELS
from everloop.server.routes.console.operations import OPERATIONS
from everloop.server.routes.console.runs import RUNS
from everloop.server.routing import Route

# fmt: off
PAGES = (
    *LOOPS, *ENDPOINTS, *RUNS, *DATASETS, *MODELS, *ALERTS, *OPERATIONS, *ACCESS,
    Route("GET", "/changes", changes.changes, "read",
          "Server-sent events: changed, whenever a page may show something else; at once when "
          "that happened since a time (ms)", media="text/event-stream", query=("since",)),
    Route("GET", "/assets/{name}", assets.asset, "public", "A file of the console", media="*/*"),
    Route("GET", "/favicon.ico", assets.favicon, "public", "The console's icon",
          media="image/svg+xml"),
)
# fmt: on
