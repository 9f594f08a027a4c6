"""Which events count as changes upstream, and how they are told."""

from __future__ import annotations

from typing import Any

from everloop.monitor.cause.upstream import of_events
from everloop.store.events import Event


def event(kind: str, payload: dict[str, Any]) -> Event:
    return Event(1, 5_000, "ann", kind, "loop/flights", payload, "", "")


def test_what_a_loop_was_told_counts_and_its_first_declaration_does_not() -> None:
    events = [
        event("loop.declared", {"changed": False, "changes": []}),
        event("loop.declared", {"changed": True, "changes": ["monitor"]}),
        event("loop.told", {"name": "schema_changed", "message": "a is in cm"}),
        event("loop.told", {"name": "campaign", "message": ""}),
        event("alert.raised", {"kind": "drift"}),
    ]
    found = of_events(events, 2_000)
    assert [one.what for one in found] == [
        "loop.declared of loop/flights (changed True)",
        "schema_changed: a is in cm",
        "campaign",
    ]
    assert {(one.away, one.by) for one in found} == {(3_000, "ann")}
