"""What was changed near a change: deployments, versions of data and model, and the loop file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from everloop.monitor.cause.rows import Rows
from everloop.store.events import Event

MOST = 8
# Events that can change what a model is asked or answers.
KINDS = (
    "endpoint.rollout", "loop.declared", "loop.told", "model.alias", "model.imported",
    "model.registered",
)  # fmt: skip


class Upstream(msgspec.Struct, frozen=True):
    """Something that somebody changed ``away`` milliseconds after the change (before: negative).

    ``at`` is on the clock for what is done by people and cycles, in event time for what was seen
    in the traffic.
    """

    what: str
    at: int
    away: int
    by: str = ""


def nearest(found: Iterable[Upstream], within: int) -> list[Upstream]:
    """The nearest first, at most :data:`MOST`, none farther away than ``within`` ms."""
    near = [one for one in found if abs(one.away) <= within]
    return sorted(near, key=lambda one: (abs(one.away), one.at, one.what))[:MOST]


def of_events(events: Sequence[Event], clock: int) -> list[Upstream]:
    """Those of the events that matter; ``clock`` is when the rows of the change came."""
    return [
        Upstream(_said(event), event.at, event.at - clock, event.actor)
        for event in events
        if event.kind.startswith(KINDS) and not _first(event)
    ]


def of_versions(rows: Rows, at: int) -> list[Upstream]:
    """Versions and arms that began to answer during the rows, at their first row."""
    found = []
    for name in ("version", "arm"):
        column = rows.sources[name]
        firsts = column.is_first_distinct().to_numpy()
        for value, time in zip(column.filter(firsts), rows.times[firsts], strict=True):
            if time > rows.times[0] and value is not None:
                first = int(time)
                found.append(Upstream(f"{name} {value} answers its first row", first, first - at))
    return found


def _first(event: Event) -> bool:
    """Whether a loop was only written down for the first time, which changes nothing."""
    return event.kind == "loop.declared" and event.payload.get("changed") is False


def _said(event: Event) -> str:
    """``endpoint.rollout of endpoint:flights``, with what it set."""
    if event.kind == "loop.told":
        return f"{event.payload['name']}: {event.payload['message']}".removesuffix(": ")[:200]
    told = [f"{k} {v}" for k, v in event.payload.items() if isinstance(v, str | int | float)]
    more = f" ({', '.join(told[:3])})" if told else ""
    return f"{event.kind} of {event.subject}{more}"[:200]
