"""Rows that are not in the log, as alerts: lost, unreadable, or no longer coming."""

from __future__ import annotations

import msgspec

from everloop.durations import milliseconds
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.monitor.coverage import spoken
from everloop.monitor.feedback import SKEW_MS
from everloop.monitor.rhythm import SILENCE, Rhythm
from everloop.monitor.spans import clock_width
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms

SOURCE, CLOCK = "(source)", "(clock)"
REASONS = {
    "full": "its log holds as much as log_max_mb allows",
    "failed": "its disk refused them",
    "stalled": "its disk did not answer",
    "unsynced": "its disk did not confirm them",
}


def tell_losses(project: Project, declaration: Declaration) -> Alert | None:
    """Raise an alert when rows were lost since the last one; at most one in a window.

    Windows are those of the monitors, by the clock: what was lost has no event time.
    """
    endpoint, now = declaration.endpoint, now_ms()
    lost = _lost(project, endpoint)
    total = sum(lost.values())
    if not total:
        return None
    width = clock_width(declaration.monitor.window)
    told = [a for a in project.windows.alerts(endpoint, kind="log") if a.feature is None]
    if told and told[0].evidence.get("total") == total:
        return None
    window = now // width * width
    alert = Alert(
        id=alert_id(endpoint, window, "log", None),
        endpoint=endpoint,
        window=window,
        kind="log",
        severity="critical",
        feature=None,
        summary=f"{total} rows were answered and not logged: {_why(lost)}",
        evidence={"total": total, "lost": lost},
        at=now,
    )
    return alert if project.watch.raise_alert(alert) else None


def tell_damage(project: Project, declaration: Declaration) -> None:
    """Raise an alert for everything of the log that was set apart, once each."""
    endpoint = declaration.endpoint
    told = {alert.feature for alert in project.windows.alerts(endpoint, kind="log", limit=1000)}
    for damage in project.log.quarantine.listing():
        if damage.endpoint not in ("", endpoint) or damage.name in told:
            continue
        alert = _of_the_log(declaration, damage.name, damage.sentence(), damage.at, now_ms())
        evidence = msgspec.to_builtins(damage)
        project.watch.raise_alert(msgspec.structs.replace(alert, evidence=evidence))


def tell_silence(project: Project, declaration: Declaration, since: int) -> Alert | None:
    """Note when rows came; raise an alert when none have for too long, once until some come.

    ``since`` then (ms) somebody looks all the time: what was missed before is no silence.
    """
    endpoint, now = declaration.endpoint, now_ms()
    arrived = project.marks.arrived(endpoint)
    if arrived is None:
        return None
    before = project.marks.read(endpoint, "rhythm", Rhythm)
    rhythm = before.after(arrived, since)
    if rhythm != before:
        project.marks.write(endpoint, "rhythm", rhythm)
    silence = declaration.monitor.silence
    allowed = milliseconds(silence, "monitor.silence") if silence else None
    said = rhythm.silence(now, since, allowed)
    told = [a for a in project.windows.alerts(endpoint, kind="log") if a.feature == SILENCE]
    if said is None or (told and told[0].at > arrived):
        return None
    alert = _of_the_log(declaration, SILENCE, said, now, now)
    return alert if project.watch.raise_alert(alert) else None


def tell_clock(project: Project, declaration: Declaration) -> Alert | None:
    """Raise an alert when rows claim to be from the future, once for the furthest of them."""
    extent = project.log.extent(declaration.endpoint)
    now = now_ms()
    if extent is None or extent.last <= now + SKEW_MS:
        return None
    told = project.windows.alerts(declaration.endpoint, kind="log", limit=1000)
    if any(a.feature == CLOCK and a.evidence["last"] >= extent.last for a in told):
        return None
    said = (
        f"rows claim times up to {spoken((extent.last - now) / 1000)} ahead of this machine's "
        "clock; they are looked at when their time has come"
    )
    alert = _of_the_log(declaration, CLOCK, said, now, now)
    alert = msgspec.structs.replace(alert, evidence={"last": extent.last}, severity="warning")
    return alert if project.watch.raise_alert(alert) else None


def tell_unread(project: Project, declaration: Declaration, error: str) -> None:
    """Raise an alert when ``[monitor.source]`` cannot be read; at most one in a window."""
    project.watch.raise_alert(_of_the_log(declaration, SOURCE, error, now_ms(), now_ms()))


def _of_the_log(declaration: Declaration, what: str, said: str, at: int, now: int) -> Alert:
    width = clock_width(declaration.monitor.window)
    window = at // width * width
    return Alert(
        id=alert_id(declaration.endpoint, window, "log", what),
        endpoint=declaration.endpoint, window=window, kind="log", severity="critical",
        feature=what, summary=said, evidence={}, at=now,
    )  # fmt: skip


def _lost(project: Project, endpoint: str) -> dict[str, int]:
    """Reason -> rows, of every data plane that says what it lost."""
    found: dict[str, int] = {}
    for standing in project.planes():
        for name in (endpoint, ""):  # what is lost beside any endpoint concerns each
            for reason, rows in standing.log_lost.get(name, {}).items():
                found[reason] = found.get(reason, 0) + rows
    return {reason: rows for reason, rows in found.items() if rows}


def _why(lost: dict[str, int]) -> str:
    most = max(lost, key=lost.__getitem__)
    return f"the data plane says that {REASONS.get(most, most)}."
