"""What was recorded: datasets, events, and the audit of the event log."""

from __future__ import annotations

from everloop.data.versions import DatasetVersion
from everloop.server.call import Call, Page, page
from everloop.store.events import Audit


def datasets(call: Call) -> Page:
    limit, query = call.limit(), call.query
    found = call.project.datasets.page(query.get("name"), call.before_pair(), limit)
    return page(found, limit, "created", "digest")


def dataset(call: Call) -> DatasetVersion:
    return call.project.datasets.get(call.path["digest"])


def events(call: Call) -> Page:
    """In order from ``after``; without it the newest page, newest first."""
    limit, subject = call.limit(), call.query.get("subject")
    after = call.whole("after", None, 0, 2**53)
    if after is None:
        return Page(call.project.events.latest(limit, subject), None)
    return page(call.project.events.page(after, limit, subject), limit, "seq")


def verify(call: Call) -> Audit:
    return call.project.events.verify(call.query.get("anchor"))
