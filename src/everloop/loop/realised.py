"""Which windows are still to be asked what a promotion gained, and keeping the answers.

Light: the control plane looks here; the versions themselves are asked in
:mod:`everloop.loop.realising`, by whoever evaluates windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.monitor.windows import Window
from everloop.store.tables import cycles
from everloop.store.texts import json_text
from everloop.update.realised import Expected, MeasuredWindow, Realised, with_window

PROMOTIONS = 3  # of the newest, whose rows may still get labels
LOOK_BACK = 50  # cycles


@dataclass(frozen=True)
class Due:
    """A promotion, and the labelled windows in which it was not measured yet, oldest first."""

    cycle: Cycle
    record: Realised
    windows: list[Window]
    superseded: bool


def due(project: Project, declaration: Declaration) -> list[Due]:
    """Promotions with windows to measure; a few queries, and no row of the log is read."""
    promoted = [
        cycle
        for cycle in project.cycles.page(declaration.name, limit=LOOK_BACK)
        if cycle.verdict == "promoted"
    ][:PROMOTIONS]
    found = []
    for place, cycle in enumerate(promoted):
        record = read_realised(cycle) or _begun(project, cycle)
        if record is None or record.over:
            continue
        at, looked = event_time(project, cycle), set(record.looked)
        windows = [
            window
            for window in project.windows.since(declaration.endpoint, at)
            if window.start not in looked and _labelled(window)
        ]
        if windows:
            found.append(Due(cycle, record, windows, superseded=place > 0))
    return found


def _labelled(window: Window) -> bool:
    """Whether its labels came, whichever version they are of."""
    told = window.performance or {}
    return told.get("state") == "done" or bool(told.get("others"))


def read_realised(cycle: Cycle) -> Realised | None:
    """What is kept of a cycle's gain; None before anything was looked at."""
    return None if cycle.realised is None else msgspec.convert(cycle.realised, Realised)


def event_time(project: Project, cycle: Cycle) -> int:
    """When a cycle was, in the time of the events (ms)."""
    at = cycle.cause.get("at")
    if at is None:
        snapshot = project.cycles.step(cycle.id, "snapshot")
        at = ((snapshot.result if snapshot else None) or {}).get("until")
    return int(at or cycle.started)


def keep(
    project: Project,
    cycle: Cycle,
    begun: Realised,
    start: int,
    found: MeasuredWindow | None,
    note: str = "",
    over: bool = False,
) -> Realised:
    """Keep what one window showed; a window that is there already changes nothing.

    The record and its event are one transaction, so that whoever is killed before it did nothing,
    and whoever repeats it after it does nothing.
    """
    mine = cycles.c.id == cycle.id
    with project.events.transaction() as conn:
        text = conn.scalar(sa.select(cycles.c.realised).where(mine).with_for_update())
        record = begun if text is None else msgspec.json.decode(text, type=Realised)
        if start in record.looked:
            return record
        record = with_window(record, start, found, note)
        record = msgspec.structs.replace(record, over=record.over or over)
        written = json_text(record)
        conn.execute(sa.update(cycles).where(mine).values(realised=written))
        if found is not None:
            project.events.append(
                conn, actor="monitor", kind="cycle.realised", subject=f"loop/{cycle.loop}",
                payload=_told(cycle, record, start),
            )  # fmt: skip
    return record


def _told(cycle: Cycle, record: Realised, start: int) -> dict[str, Any]:
    told = ("version", "replaced", "metric", "gain", "low", "high", "rows")
    expected = record.expected.gain if record.expected else None
    named = {name: getattr(record, name) for name in told}
    return {
        "cycle": cycle.id,
        "number": cycle.number,
        "window": start,
        "expected": expected,
    } | named


def _begun(project: Project, cycle: Cycle) -> Realised | None:
    """An empty record; None for a version that replaced no other."""
    steps = {step.step: step.result or {} for step in project.cycles.steps(cycle.id)}
    promote = steps.get("promote", {})
    if promote.get("replaced") is None:
        return None
    expected = _expected(steps)
    metric = expected.metric if expected else ""
    return Realised(int(promote["version"]), int(promote["replaced"]), metric, expected)


def _expected(steps: dict[str, dict[str, Any]]) -> Expected | None:
    worth = steps.get("probe", {}).get("worth")
    if worth and worth["enough"]:
        return Expected("probe", worth["metric"], worth["gain"], worth["low"], worth["high"])
    tested = steps.get("evaluate", {})
    gap = tested.get("comparison")
    if not gap or gap["difference"] is None:
        return None
    return Expected("test", tested["metric"], gap["difference"], gap["low"], gap["high"])
