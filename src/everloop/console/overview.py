"""The first page: every loop as a card, and what to do while there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from everloop import __version__
from everloop.console.traffic import ArmTraffic, Traffic, arms_with_traffic
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop, loops_of
from everloop.loop.project import Project
from everloop.loop.status import LoopStatus
from everloop.monitor.windows import Alert, Window
from everloop.store.clock import now_ms

CYCLES = 8
ALERTS = 8
WINDOWS = 120
# What the line of a cycle says of its cause; the situation in which it was decided is long.
CAUSE = ("kind", "reason", "summary", "comment", "features", "source", "version", "by")


class Point(msgspec.Struct, frozen=True):
    """The score of one window, with its interval and what the test had promised.

    ``value`` is None until labels come; ``expected`` is what was expected without them.
    """

    start: int
    end: int
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    worse: bool
    expected: float | None = None


class CycleLine(msgspec.Struct, frozen=True):
    """A cycle in one line; its page has the evidence."""

    id: str
    number: int
    state: str
    verdict: str | None
    reason: str | None
    cause: dict[str, Any]
    version: int | None
    started: int
    finished: int | None


class Seen(msgspec.Struct, frozen=True):
    """The newest window that was looked at: what came in, and how much of it has its label."""

    start: int
    end: int
    rows: int
    labelled: int


class LoopCard(msgspec.Struct, frozen=True):
    """One loop at a glance.

    ``windows`` counts those looked at, ``quarantined`` the faulty; both count the newest
    :data:`WINDOWS` only, which are also those of the chart. ``cycles`` leave out the part of
    their cause that only their own page shows.
    """

    status: LoopStatus
    cycles: list[CycleLine]
    alerts: list[Alert]
    arms: list[ArmTraffic]
    metric: str | None
    performance: list[Point]
    windows: int
    quarantined: list[int]
    newest: Seen | None


class Overview(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/index.json``."""

    project: str
    version: str
    at: int
    serve_url: str
    serving: bool
    loops: list[LoopCard]


def read_overview(project: Project, serve_url: str, traffic: Mapping[str, Traffic]) -> Overview:
    """A handful of short queries for each loop."""
    return Overview(
        project=project.dir.name,
        version=__version__,
        at=now_ms(),
        serve_url=serve_url,
        serving=project.serving() is not None,
        loops=[read_card(project, loop, traffic) for loop in loops_of(project)],
    )


def read_card(project: Project, loop: Loop, traffic: Mapping[str, Traffic]) -> LoopCard:
    """What the card of one loop shows."""
    status = loop.status()
    windows = project.windows.page(status.endpoint, limit=WINDOWS)[::-1]
    return LoopCard(
        status=status,
        cycles=[_line(cycle) for cycle in loop.history(limit=CYCLES)],
        alerts=project.windows.alerts(status.endpoint, limit=ALERTS),
        arms=arms_with_traffic(status.arms, traffic.get(status.endpoint)),
        metric=status.champion.metric if status.champion else None,
        performance=[point for w in windows if (point := _point(w)) is not None],
        windows=len(windows),
        quarantined=[w.start for w in windows if w.quarantined],
        newest=_seen(windows[-1]) if windows else None,
    )


def _line(cycle: Cycle) -> CycleLine:
    values = {name: getattr(cycle, name) for name in CycleLine.__struct_fields__}
    values["cause"] = {k: v for k, v in cycle.cause.items() if k in CAUSE}
    return CycleLine(**values)


def _seen(window: Window) -> Seen:
    return Seen(window.start, window.end, window.rows, window.labelled)


def _point(window: Window) -> Point | None:
    """The window's score; scores are kept so that greater is better, an error shows as itself."""
    found = window.performance or {}
    value, expected = found.get("value"), window.expected
    if value is None and expected is None:
        return None
    low, high, tested = found.get("low"), found.get("high"), found.get("tested")
    if value is None:
        tested = found["baseline"]["value"]
    bounds = sorted(abs(v) for v in (low, high)) if low is not None and high is not None else []
    return Point(
        start=window.start,
        end=window.end,
        value=None if value is None else abs(value),
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        baseline=None if tested is None else abs(tested),
        worse=bool(found.get("worse")),
        expected=expected,
    )
