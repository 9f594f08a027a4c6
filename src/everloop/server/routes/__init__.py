"""The route table: everything this server answers, and the permission each line asks for.

``public`` asks for nothing, ``read`` looks, ``write`` changes what a loop does, ``admin`` is for
those who run the server. A route that names no permission is denied to everybody.
"""

from __future__ import annotations

import functools
from typing import Any

from everloop.server import health
from everloop.server.call import Call
from everloop.server.openapi import document
from everloop.server.routes._paths import OBJECT, TEXT
from everloop.server.routes.alerts import ALERTS
from everloop.server.routes.artifacts import ARTIFACTS
from everloop.server.routes.console import PAGES
from everloop.server.routes.loops import LOOPS
from everloop.server.routes.moves import MOVES
from everloop.server.routes.people import PEOPLE
from everloop.server.routes.records import RECORDS
from everloop.server.routes.registry import REGISTRY
from everloop.server.routes.serving import SERVING
from everloop.server.routes.tracking import TRACKING
from everloop.server.routing import Route


async def openapi(call: Call) -> dict[str, Any]:
    """This table as an OpenAPI document."""
    return table_document()


@functools.cache
def table_document() -> dict[str, Any]:
    """Made when it is first asked for, not at every start."""
    return document(ROUTES)


# fmt: off
PROCESS = (
    Route("GET", "/health", health.health, "public", "The process is up", answer=dict[str, str]),
    Route("GET", "/ready", health.ready, "public", "The database answers and is current",
          answer=dict[str, str]),
    Route("GET", "/metrics", health.metrics, "read", "Counters for Prometheus", media=TEXT),
    Route("GET", "/openapi.json", openapi, "public", "This table as OpenAPI", answer=OBJECT),
)
# fmt: on
ROUTES = (
    *PAGES,
    *PROCESS,
    *LOOPS,
    *REGISTRY,
    *TRACKING,
    *RECORDS,
    *PEOPLE,
    *ARTIFACTS,
    *MOVES,
    *SERVING,
    *ALERTS,
)  # fmt: skip
