"""What a middleware is: a small ASGI application around another.

It may read the scope and put keys of its own into it (named ``everloop.…``); it must pass on what
is not HTTP (``lifespan``), keep nothing of a request in ``self``, and refuse by raising an
:class:`~everloop.errors.EverloopError`, which :mod:`everloop.server.middleware.errors` answers.
The order is stated once, in :mod:`everloop.server.app`.
"""

from __future__ import annotations

from starlette.types import Scope

PRINCIPAL = "everloop.principal"
REQUEST_ID = "everloop.request_id"
ROUTE = "everloop.route"


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a request header, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None
