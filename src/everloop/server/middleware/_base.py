"""What a middleware is: a small ASGI application around another.

It may read the scope and put keys of its own into it (named ``everloop.…``); it must pass on what
is not HTTP (``lifespan``), keep nothing of a request in ``self``, and refuse by raising an
:class:`~everloop.errors.EverloopError`, which :mod:`everloop.server.middleware.errors` answers.
The order is stated once, in :mod:`everloop.server.app`.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Message, Scope, Send

PRINCIPAL = "everloop.principal"
REQUEST_ID = "everloop.request_id"
ROUTE = "everloop.route"


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a request header, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def with_headers(send: Send, headers: Mapping[bytes, bytes]) -> Send:
    """A ``send`` that adds headers to the answer, unless the answer sets them itself."""

    async def changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            names = {name.lower() for name, _ in own}
            added = [pair for pair in headers.items() if pair[0] not in names]
            message = {**message, "headers": [*own, *added]}
        await send(message)

    return changed
