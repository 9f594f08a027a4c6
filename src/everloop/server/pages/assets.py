"""Files that the pages link to."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console import assets
from everloop.errors import NotFound
from everloop.server.call import Call


async def asset(call: Call) -> Response:
    """A file of the console; its name carries its hash, so it may be kept for ever."""
    found = assets.FILES.get(call.path["name"])
    if found is None:
        raise NotFound(f"There is no asset {call.path['name']!r}.", code="no_asset")
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found.body, media_type=found.media_type, headers=headers)


async def favicon(call: Call) -> Response:
    """What browsers ask for beside a page that is not ours to write, such as JSON."""
    icon = assets.FILES[assets.URLS["icon.svg"].removeprefix("/assets/")]
    return Response(icon.body, media_type=icon.media_type)
