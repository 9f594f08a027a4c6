"""Rows that were answered and not logged, and what of the log cannot be read, as alerts."""

from __future__ import annotations

import msgspec

from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.monitor.spans import clock_width
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms

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
    width = clock_width(declaration.monitor.window)
    told = {alert.feature for alert in project.windows.alerts(endpoint, kind="log", limit=1000)}
    for damage in project.log.quarantine.listing():
        if damage.endpoint not in ("", endpoint) or damage.name in told:
            continue
        window = damage.at // width * width
        project.watch.raise_alert(
            Alert(
                id=alert_id(endpoint, window, "log", damage.name),
                endpoint=endpoint,
                window=window,
                kind="log",
                severity="critical",
                feature=damage.name,
                summary=damage.sentence(),
                evidence=msgspec.to_builtins(damage),
                at=now_ms(),
            )
        )


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
