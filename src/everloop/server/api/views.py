"""Saved views of the table of runs."""

from __future__ import annotations

from everloop.server.call import Call, Page
from everloop.tracking.views import SavedView


def listing(call: Call) -> Page:
    """All of them, by name."""
    return Page(call.project.views.all(), None)


def get(call: Call) -> SavedView:
    return call.project.views.get(call.path["view"])


def save(call: Call) -> SavedView:
    """Another's view may be replaced by an admin alone."""
    others = "admin" in call.permissions
    return call.project.views.save(call.path["view"], call.body, actor=call.actor, of_others=others)


def delete(call: Call) -> SavedView:
    others = "admin" in call.permissions
    return call.project.views.delete(call.path["view"], actor=call.actor, of_others=others)
