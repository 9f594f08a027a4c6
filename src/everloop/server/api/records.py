"""What was recorded: datasets, events, and the audit of the event log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from everloop.data.versions import DatasetVersion
from everloop.errors import invalid
from everloop.loop.deciding import Audited, audited
from everloop.monitor.summaries.table import TableProfile
from everloop.server.call import Call, Page, page
from everloop.store.events import Wanted


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
    """In order from ``after``; without it the newest first, of a kind, an actor or a time."""
    limit, subject = call.limit(), call.query.get("subject")
    after = call.whole("after", None, 0, 2**53)
    if after is None:
        return page(call.project.events.find(wanted(call), call.before(), limit), limit, "seq")
    return page(call.project.events.page(after, limit, subject), limit, "seq")


def wanted(call: Call) -> Wanted:
    """Which events the query asks for; a time is a date, or a date and time, in UTC."""
    texts = {name: call.query.get(name, "").strip() for name in ("kind", "actor", "subject")}
    return Wanted(**texts, since=_time(call, "since"), until=_time(call, "until"))


def _time(call: Call, name: str) -> int | None:
    text = call.query.get(name, "").strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        expected = "a time as 2026-01-31 or 2026-01-31T12:00"
        raise invalid(f"query.{name}", text, expected, path=f"query.{name}") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)


def verify(call: Call) -> Audited:
    return audited(call.project, call.query.get("anchor"))
