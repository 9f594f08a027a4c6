"""Search, settings and storage over the API."""

from __future__ import annotations

from everloop.loop.configured import configured
from everloop.loop.finding import Found, find
from everloop.loop.room import Storage, measured
from everloop.server.call import Call, Page

MOST_SECONDS = 300


def search(call: Call) -> Found:
    return find(call.project, call.query.get("q", ""))


def settings(call: Call) -> Page:
    return Page(configured(call.project), None)


def storage(call: Call) -> Storage:
    return measured(call.project, float(call.whole("seconds", 60, 1, MOST_SECONDS) or 60))
