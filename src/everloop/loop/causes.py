"""Why an alert was raised, from everything that a project knows."""

from __future__ import annotations

import msgspec

from everloop.errors import NotFound
from everloop.loop.declaration import Declaration
from everloop.loop.evaluating import reference_of, scores_of
from everloop.loop.project import Project
from everloop.memory import give_back
from everloop.monitor.cause.explain import NEAR, Known, explain_alert
from everloop.monitor.cause.found import Cause, standing_cause
from everloop.monitor.cause.similar import Outcome
from everloop.monitor.cause.upstream import Upstream, of_events

DATASETS = 200  # of the newest, among which those near a change are looked for


def why(project: Project, declaration: Declaration, key: str, *, again: bool = False) -> Cause:
    """Explain an alert, named by its id or the beginning of it, and keep what was found.

    What was kept comes back, unless more labels have come since or it is asked ``again``.

    Raises :class:`~everloop.errors.NotFound` for an alert that the loop's endpoint does not have.
    """
    alert = project.windows.alert(key)
    if alert.endpoint != declaration.endpoint:
        raise NotFound(f"alert: {key!r} is of endpoint {alert.endpoint}, not of this loop.")
    kept = None if again else standing_cause(project.windows, alert)
    if kept is not None:
        return kept
    try:
        cause = explain_alert(_known(project, declaration), alert)
    finally:
        give_back()
    project.windows.explain(alert, msgspec.to_builtins(cause))
    return cause


def _known(project: Project, declaration: Declaration) -> Known:
    champion = project.champion(declaration.name)
    if champion is None:
        raise NotFound(f"loop {declaration.name}: has no champion to compare its traffic with.")
    reference = reference_of(project, champion, declaration.monitor.log)
    metric = reference.baseline.metric if reference.baseline else None
    return Known(
        log=project.log,
        windows=project.windows,
        schema=reference.schema,
        hidden=declaration.monitor.log.hidden,
        metric=metric,
        score=scores_of(reference, declaration.evaluate)(metric) if metric else None,
        upstream=lambda clock: changes_near(project, declaration, clock),
        outcome=lambda cycle: _outcome(project, cycle),
    )


def _outcome(project: Project, id: str) -> Outcome | None:
    try:
        cycle = project.cycles.get(id)
    except NotFound:
        return None
    return Outcome(cycle.number, cycle.verdict, cycle.reason)


def changes_near(project: Project, declaration: Declaration, clock: int) -> list[Upstream]:
    """Deployments, versions, changes of the loop file, what the loop was told, and its data."""
    name = declaration.name
    mine = {f"endpoint:{declaration.endpoint}", f"loop/{name}", f"model:{name}", f"upstream/{name}"}
    near = project.events.between(clock - NEAR, clock + NEAR)
    data = [
        Upstream(f"data version {one.digest[:12]}", one.created, one.created - clock)
        for one in project.datasets.page(name, limit=DATASETS)
    ]
    events = [event for event in near if event.subject in mine]
    return [*of_events(events, clock), *data]
