"""A run's events while it goes on."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from everloop.server.call import Call
from everloop.server.live import ENDED, parse_id


async def live(call: Call) -> Response:
    """Server-sent events: state, points, params, tags, status, end.

    Asynchronous, so that listeners hold no thread. Nothing (204) for who has heard the end: it
    is the answer that keeps a browser from coming back.
    """
    last = parse_id(call.request.headers.get("last-event-id"))
    hub = call.context.live
    events = await hub.listen(call.project.db, call.path["run"], last)
    if last is not None and last.number == ENDED:
        return Response(status_code=204)
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )
