"""What tells an open page to look again."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from everloop.server.call import Call


async def changes(call: Call) -> Response:
    """Server-sent events; asynchronous, so that a page that is open holds no thread."""
    since = call.whole("since", None, 0, 2**53)
    events = call.context.live.changes.listen(call.project.db, since)
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )
