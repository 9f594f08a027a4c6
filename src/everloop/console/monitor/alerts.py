"""The pages of alerts: what was found, whether it goes on, who was told and what was done."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.console.monitor.done import Done, cycles_by_id, what_was_done
from everloop.errors import EverloopError, NotFound
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.monitor.alerting.deliveries import AlertDelivery
from everloop.monitor.alerting.desk import (
    AlertDetail,
    AlertLine,
    ChannelTested,
    declared_channels,
)
from everloop.monitor.alerting.rules import named
from everloop.monitor.alerting.silences import Silence
from everloop.monitor.cause.found import Cause, kept_cause
from everloop.monitor.cause.similar import Outcome, Similar, similar_alerts
from everloop.monitor.spec import RuleSpec
from everloop.store.clock import now_ms

ALERTS, SILENCES, DELIVERIES = 50, 20, 20


class AlertsPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/alerts.json``.

    ``done`` are the cycles that the alerts led to; ``silences`` are those that hold; ``stuck`` what
    could not be told, or is tried again.
    ``before`` leads to older ones.
    """

    at: int
    state: str
    endpoint: str
    alerts: list[AlertLine]
    done: dict[str, Done]
    silences: list[Silence]
    stuck: list[AlertDelivery]
    before: str | None


class AlertPage(msgspec.Struct, frozen=True):
    """The page of one alert, and the JSON at ``/alerts/ID.json``; ``cycles`` are what was done.

    ``cause`` is what the newest of its alerts that was explained came from; ``similar`` are earlier
    ones like it, with what they led to.
    """

    at: int
    found: AlertDetail
    cycles: list[Cycle]
    cause: Cause | None = None
    similar: list[Similar] = []


def read_alerts_page(
    project: Project, state: str, endpoint: str = "", before: tuple[int, str] | None = None
) -> AlertsPage:
    """``state`` is ``open``, ``resolved`` or empty for both; of one endpoint or of all."""
    at, desk = now_ms(), project.alerts
    found = desk.page(endpoint or None, state or None, before=before, limit=ALERTS)
    waiting = desk.deliveries.page("waiting", limit=DELIVERIES)
    last = found[-1].incident if len(found) == ALERTS else None
    return AlertsPage(
        at=at,
        state=state,
        endpoint=endpoint,
        alerts=found,
        done=what_was_done(project, found),
        silences=desk.silences.active(at)[:SILENCES],
        stuck=[*desk.deliveries.page("failed", limit=DELIVERIES), *(w for w in waiting if w.error)],
        before=f"{last.opened}.{last.id}" if last else None,
    )


class LoopRules(msgspec.Struct, frozen=True):
    """Who is told of what of a loop: its rules by name, and its channels without their secrets."""

    loop: str
    endpoint: str
    rules: list[tuple[str, RuleSpec]]
    channels: dict[str, Any]


class RulesPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/alerts/rules.json``.

    ``silences`` are those that are over too; ``tested`` is what came of a test that was just sent,
    by the loop's and the channel's name.
    """

    at: int
    loops: list[LoopRules]
    deliveries: list[AlertDelivery]
    silences: list[Silence]
    tested: tuple[str, str, ChannelTested] | None = None


def read_rules_page(
    project: Project, tested: tuple[str, str, ChannelTested] | None = None
) -> RulesPage:
    """The rules, channels, deliveries and silences of a project."""
    desk = project.alerts
    loops = []
    for name in project.cycles.loop_names():
        declared = project.cycles.declaration(name)
        spec = declared.monitor
        loops.append(
            LoopRules(name, declared.endpoint, named(spec.alerts), declared_channels(spec))
        )
    return RulesPage(
        now_ms(), loops, desk.deliveries.page(limit=DELIVERIES), desk.silences.page(SILENCES),
        tested,
    )  # fmt: skip


def read_alert_page(project: Project, id: str) -> AlertPage:
    """Raises :class:`~everloop.errors.NotFound`."""
    found = _detail(project, id)
    cycles = []
    for cycle in found.line.incident.cycles:
        try:
            cycles.append(project.cycles.get(cycle))
        except NotFound:
            continue
    explained = [cause for alert in found.alerts if (cause := kept_cause(alert)) is not None]
    cause = explained[-1] if explained else None
    return AlertPage(now_ms(), found, cycles, cause, _similar(project, found, cause))


def _detail(project: Project, id: str) -> AlertDetail:
    """What goes on under this id; or what the alert of this id, of one window, belongs to."""
    try:
        return project.alerts.get(id)
    except NotFound:
        try:
            belongs = project.windows.alert(id).incident
        except EverloopError:
            belongs = None
        if belongs is None:
            raise
        return project.alerts.get(belongs)


def _similar(project: Project, found: AlertDetail, cause: Cause | None) -> list[Similar]:
    """Earlier alerts like it, other things that went on: those it is made of are left out."""
    if cause is not None or not found.alerts:
        return cause.similar if cause is not None else []

    def outcome(cycle: str) -> Outcome | None:
        done = cycles_by_id(project, [cycle]).get(cycle)
        return None if done is None else Outcome(done.number, done.verdict, done.reason)

    own = {alert.id for alert in found.alerts}
    alike = similar_alerts(project.windows, found.alerts[0], outcome)
    return [one for one in alike if one.alert not in own]
