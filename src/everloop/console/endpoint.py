"""The page of an endpoint: what answers, here and on other machines, and its rollouts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from everloop.console.rollout import Trial, trial_of
from everloop.console.traffic import (
    ArmTraffic,
    Elsewhere,
    Traffic,
    arms_with_traffic,
    elsewhere,
)
from everloop.deploy.endpoints import Endpoint
from everloop.deploy.rollouts import Rollout
from everloop.loop.project import Project
from everloop.monitor.alerting.desk import AlertLine
from everloop.monitor.health import Health
from everloop.monitor.windows import Window
from everloop.store.clock import now_ms

ROLLOUTS = 12
HEALTH = 12
ALERTS = 12
WINDOWS = 12


class RolloutLine(msgspec.Struct, frozen=True):
    """A rollout in one line; its cycle's page has the evidence."""

    kind: str
    champion: int
    versions: list[int]
    state: str
    reason: str | None
    cycle: str
    began: int


class WindowLine(msgspec.Struct, frozen=True):
    """A window in one line; its own page has the rest. Scores have the metric's own sign."""

    start: int
    rows: int
    labelled: int
    metric: str | None
    expected: float | None
    score: float | None
    tested: float | None
    drifting: list[str]
    state: str


class EndpointPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/endpoints/NAME.json``.

    ``traffic`` is what this machine's data plane counts, None while it is away; ``trial`` the
    rollout that is under way, and ``rollouts`` the newest ones that are over; ``health`` are the
    newest windows of it as a service, ``alerts`` what goes on.
    """

    at: int
    endpoint: Endpoint
    arms: list[ArmTraffic]
    traffic: Traffic | None
    planes: list[Elsewhere]
    trial: Trial | None
    rollouts: list[RolloutLine]
    windows: list[WindowLine]
    health: list[Health]
    alerts: list[AlertLine] = []


def read_endpoint(project: Project, name: str, traffic: Mapping[str, Traffic]) -> EndpointPage:
    """Raises :class:`~everloop.errors.NotFound`."""
    endpoint = project.endpoints.get(name)
    arms = msgspec.to_builtins(endpoint.arms)
    rollouts = project.rollouts.page(name, limit=ROLLOUTS)
    return EndpointPage(
        at=now_ms(),
        endpoint=endpoint,
        arms=arms_with_traffic(arms, traffic.get(name)),
        traffic=traffic.get(name),
        planes=elsewhere(name, arms, project.remote_planes()),
        trial=next((trial_of(project, one) for one in rollouts if not one.over), None),
        rollouts=[_line(one) for one in rollouts if one.over],
        health=project.health.page(name, limit=HEALTH),
        alerts=project.alerts.page(name, "open", limit=ALERTS),
        windows=[_window(one) for one in project.windows.page(name, limit=WINDOWS)],
    )


def _line(found: Rollout) -> RolloutLine:
    return RolloutLine(
        found.spec.kind, found.champion, found.versions, found.state, found.reason, found.cycle,
        found.began,
    )  # fmt: skip


def _window(found: Window) -> WindowLine:
    performance = found.performance or {}
    baseline = performance.get("baseline") or {}
    score, tested = performance.get("value"), baseline.get("value")
    state = "worse" if found.worse else "expected worse" if found.expected_worse else ""
    return WindowLine(
        start=found.start,
        rows=found.rows,
        labelled=found.labelled,
        metric=baseline.get("metric"),
        expected=found.expected,
        score=None if score is None else abs(score),
        tested=None if tested is None else abs(tested),
        drifting=found.drifting,
        state="in quarantine" if found.quarantined else state,
    )
