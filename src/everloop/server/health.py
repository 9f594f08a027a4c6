"""Is the process up, may it be used, and what has it counted."""

from __future__ import annotations

import contextlib
from typing import Any

from starlette.responses import Response

from everloop.errors import Unavailable
from everloop.server.call import Call
from everloop.store.database import REVISION


async def health(call: Call) -> dict[str, Any]:
    """Answers as long as the event loop turns, whatever the database does."""
    return {"status": "ok"}


def ready(call: Call) -> dict[str, Any]:
    """200 when the database answers and has the tables of this version.

    Raises :class:`~everloop.errors.Unavailable` otherwise.
    """
    found = call.project.db.revision()
    if found != REVISION:
        raise Unavailable(
            f"database: got tables of revision {found}, expected {REVISION}.",
            code="migration_pending",
            got=found,
            expected=REVISION,
            fix="Restart the server; it brings the tables up to date.",
        )
    return {"status": "ready", "revision": found}


def metrics(call: Call) -> Response:
    """Prometheus' text format; without the open alerts while the database is away."""
    counted = call.context.metrics
    with contextlib.suppress(Unavailable):
        counted.alerts(call.project.alerts.incidents.counted())
    return Response(counted.text(), media_type=None, headers={"content-type": counted.content_type})
