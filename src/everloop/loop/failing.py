"""A cycle that failed, as an alert: somebody has to look, since it does not mend itself."""

from __future__ import annotations

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms


def tell_failure(project: Project, cycle: Cycle) -> None:
    """Raise the alert of a cycle that was given up, once."""
    declaration = project.cycles.declaration(cycle.loop)
    endpoint = declaration.endpoint
    alert = Alert(
        id=alert_id(endpoint, cycle.started, "cycle", None),
        endpoint=endpoint,
        window=cycle.started,
        kind="cycle",
        severity="critical",
        feature=None,
        summary=f"cycle {cycle.number} failed: {cycle.reason}",
        evidence={"cycle": cycle.id, "number": cycle.number},
        at=now_ms(),
    )
    project.watch.raise_alert(alert)
    project.alerts.route(endpoint, declaration.monitor)
