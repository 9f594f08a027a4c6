"""The page that finds things, which Ctrl-K asks too."""

from __future__ import annotations

from starlette.responses import Response

from everloop.loop.finding import Found, find
from everloop.server.call import Call
from everloop.server.pages._base import shown


def search(call: Call) -> Response:
    return shown("search.html", search_json(call))


def search_json(call: Call) -> Found:
    return find(call.project, call.query.get("q", ""))
