"""Signing in."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from everloop.errors import invalid
from everloop.server.call import Call
from everloop.server.middleware.tokens import unauthenticated


def sign_in(call: Call) -> Response:
    """Makes a browser ask for name and token; then leads to the page it came from."""
    to = call.query.get("to", "/")
    if not to.startswith("/") or to.startswith(("//", "/\\")):
        raise invalid("query.to", to, "a path of this server", path="query.to")
    if not call.project.decisions.speaker(call.actor).known:
        raise unauthenticated("Give your name, and your token as the password.")
    return RedirectResponse(to, 303)
