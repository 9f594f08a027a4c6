"""The monitor of an endpoint: what moved in which window, how it scores, and what was done."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.console.monitor.done import Done, what_was_done
from everloop.console.monitor.heat import Heat, HeatRow, read_heat
from everloop.errors import EverloopError, invalid
from everloop.loop.project import Project
from everloop.monitor.alerting.desk import AlertLine
from everloop.monitor.cause.found import kept_cause
from everloop.monitor.profile_report import ProfileLine, Profiles
from everloop.monitor.windows import Window
from everloop.store.clock import now_ms

ALERTS, CAUSES, DRAWN = 20, 5, 6


class Asked(msgspec.Struct, frozen=True):
    """The feature that is looked at, the start of the window, and where the table goes on from."""

    feature: str = ""
    window: str = ""
    before: str = ""


NEWEST = Asked()


class Explained(msgspec.Struct, frozen=True):
    """An alert of these windows and what it came from."""

    alert: str
    window: int
    summary: str
    sentence: str


class Looked(msgspec.Struct, frozen=True):
    """The window that is looked at closely.

    ``lines`` are distributions now and of ``beside``; ``segments`` a
    :class:`~everloop.monitor.segments.Segments`, ``real`` whether by labels; ``note`` says why
    there is no distribution.
    """

    start: int
    rows: int
    lines: list[ProfileLine]
    beside: str
    note: str
    segments: dict[str, Any] | None
    real: bool


class MonitorPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/endpoints/NAME/monitor.json``; ``row`` is of the feature."""

    at: int
    endpoint: str
    metric: str
    asked: Asked
    heat: Heat
    row: HeatRow | None
    looked: Looked | None
    causes: list[Explained]
    alerts: list[AlertLine]
    done: dict[str, Done]


def read_monitor(project: Project, endpoint: str, asked: Asked = NEWEST) -> MonitorPage:
    """Raises :class:`~everloop.errors.NotFound` for an endpoint that is not there."""
    project.endpoints.get(endpoint)
    heat = read_heat(project.db, endpoint, _whole("before", asked.before))
    alerts = project.alerts.page(endpoint, limit=ALERTS)
    row = next((row for row in heat.rows if row.name == asked.feature), None)
    start = _whole("window", asked.window)
    if start is None and heat.windows:
        start = heat.windows[-1].start
    window = None if start is None else project.windows.get(endpoint, start)
    return MonitorPage(
        at=now_ms(),
        endpoint=endpoint,
        metric=_metric(window),
        asked=asked,
        heat=heat,
        row=row,
        looked=None if window is None else _looked(project, window, asked.feature),
        causes=_causes(project, endpoint, heat),
        alerts=alerts,
        done=what_was_done(project, alerts),
    )


def _whole(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 17):
        raise invalid(f"query.{name}", text, "the start of a window, in milliseconds")
    return int(text)


def _metric(window: Window | None) -> str:
    performance = (window.performance if window else None) or {}
    return str((performance.get("baseline") or {}).get("metric") or "score")


def _looked(project: Project, window: Window, feature: str) -> Looked:
    performance = window.performance or {}
    real = performance.get("segments")
    lines, beside, note = [], "", ""
    try:
        profiles = Profiles(project.windows, project.blobs, window.endpoint)
        report = profiles.report(window.start)
        lines, beside = _chosen(window, report.lines, feature), report.beside
    except EverloopError as error:  # it was looked at before profiles were kept, or they are gone
        note = error.message
    return Looked(
        start=window.start,
        rows=window.rows,
        lines=lines,
        beside=beside,
        note=note,
        segments=real or (performance.get("expected") or {}).get("segments"),
        real=real is not None,
    )


def _chosen(window: Window, lines: list[ProfileLine], feature: str) -> list[ProfileLine]:
    """The feature that is asked for; or those that moved most, faulty ones first."""
    if feature:
        return [line for line in lines if line.name == feature]
    drift = window.checks.get("drift", {})
    faulty = set(window.checks.get("faults", {}))

    def moved(line: ProfileLine) -> tuple[bool, float]:
        found = drift.get(line.name) or {}
        return line.name in faulty, bool(found.get("drifted")) + (found.get("effect") or 0.0)

    return sorted(lines, key=moved, reverse=True)[:DRAWN]


def _causes(project: Project, endpoint: str, heat: Heat) -> list[Explained]:
    """What alerts of these windows came from, where it was found."""
    if not heat.windows:
        return []
    found, first, last = [], heat.windows[0].start, heat.windows[-1].start
    for alert in project.windows.alerts(endpoint, since=first, limit=200):
        if alert.window > last or "cause" not in alert.evidence:
            continue
        try:
            cause = kept_cause(alert)
        except msgspec.ValidationError:  # of another version of everloop
            continue
        if cause is not None and cause.sentence:
            key = alert.incident or alert.id
            found.append(Explained(key, alert.window, alert.summary, cause.sentence))
    return found[:CAUSES]
