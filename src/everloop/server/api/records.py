"""What was recorded: datasets, events, and the audit of the event log."""

from __future__ import annotations

from typing import Any

from everloop.data.versions import DatasetVersion
from everloop.loop.deciding import Audited, audited
from everloop.monitor.summaries.table import TableProfile
from everloop.server.call import Call, Page, page


def datasets(call: Call) -> Page:
    limit, query = call.limit(), call.query
    found = call.project.datasets.page(query.get("name"), call.before_pair(), limit)
    return page(found, limit, "created", "digest")


def dataset(call: Call) -> DatasetVersion:
    return call.project.datasets.get(call.path["digest"])


def dataset_profile(call: Call) -> dict[str, Any]:
    """Of its rows, read a batch at a time; of a reference, of the sample that is kept."""
    version = call.project.datasets.get(call.path["digest"])
    found = TableProfile()
    for batch in call.project.datasets.batches(version.digest, version.rows):
        found.add(batch)
    return found.to_dict()


def events(call: Call) -> Page:
    """In order from ``after``; without it the newest page, newest first."""
    limit, subject = call.limit(), call.query.get("subject")
    after = call.whole("after", None, 0, 2**53)
    if after is None:
        return Page(call.project.events.latest(limit, subject), None)
    return page(call.project.events.page(after, limit, subject), limit, "seq")


def verify(call: Call) -> Audited:
    return audited(call.project, call.query.get("anchor"))
