"""The page of an endpoint: what answers, here and on other machines, and its rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from everloop.console.endpoints.asking import AskPage, ask_page
from everloop.console.endpoints.predictions import Predicted, recent
from everloop.console.endpoints.rollout import Trial, trial_of
from everloop.console.endpoints.traffic import (
    ArmTraffic,
    Elsewhere,
    Traffic,
    arms_with_traffic,
    elsewhere,
)
from everloop.console.endpoints.trails import Trail, trails_of
from everloop.console.models.listed import alias_moves
from everloop.console.models.packaged import read_packaged
from everloop.data.schema import Schema
from everloop.deploy.endpoints import Endpoint
from everloop.deploy.rollouts import Rollout
from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.monitor.alerting.desk import AlertLine
from everloop.monitor.health import Health
from everloop.monitor.windows import Window
from everloop.registry.models import CHAMPION
from everloop.store.clock import now_ms

ROLLOUTS = 12
HEALTH = 96
RECENT = 5  # predictions
VERSIONS = 30
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
    trails: list[Trail] = []


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


class WayBack(msgspec.Struct, frozen=True):
    """A version that could answer instead; ``served`` (ms) is when it last became the champion."""

    version: int
    algorithm: str | None
    made: int
    served: int | None


class Busy(msgspec.Struct, frozen=True):
    """A cycle that has to end before another one can begin."""

    cycle: str
    number: int
    waits: bool


class EndpointPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/endpoints/NAME.json``.

    ``traffic`` is what this machine's data plane counts, None while it is away; ``trial`` the
    rollout that is under way, and ``rollouts`` the newest ones that are over; ``health`` are the
    newest windows of it as a service, ``alerts`` what goes on. ``recent`` are the newest
    predictions, ``ask`` the form that tries it, and ``ways_back`` what else could answer here; a
    ``loop`` looks after it where one is named, and ``busy`` is its cycle that is under way.
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
    alerts: list[AlertLine]
    recent: list[Predicted]
    ask: AskPage
    ways_back: list[WayBack]
    loop: str | None
    busy: Busy | None


def read_endpoint(
    project: Project, name: str, traffic: Mapping[str, Traffic], serve_url: str = ""
) -> EndpointPage:
    """Raises :class:`~everloop.errors.NotFound`."""
    endpoint = project.endpoints.get(name)
    arms = msgspec.to_builtins(endpoint.arms)
    rollouts = project.rollouts.page(name, limit=ROLLOUTS)
    schema = schema_served(project, endpoint)
    newest = recent(project, name, endpoint.model, schema, RECENT)
    loop = loop_at_endpoint(project, name)
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
        recent=newest,
        ask=ask_page(name, endpoint.model, schema, serve_url, row_like(newest)),
        ways_back=_ways_back(project, endpoint),
        loop=loop,
        busy=None if loop is None else _busy(project, loop),
    )


def _busy(project: Project, loop: str) -> Busy | None:
    for cycle in project.cycles.page(loop, limit=1):
        if cycle.finished is None:
            return Busy(cycle.id, cycle.number, cycle.state == "waiting")
    return None


def schema_served(project: Project, endpoint: Endpoint) -> Schema | None:
    """What the version that answers reads; None where its package does not say."""
    try:
        version = project.registry.version(endpoint.model, endpoint.champion.version)
    except NotFound:
        return None
    return read_packaged(project, version).schema


def row_like(newest: Sequence[Predicted]) -> dict[str, Any]:
    """The newest row that was answered, as an example; without what the log hides."""
    row = next((one for one in newest if one.answer is not None), None)
    if row is None:
        return {}
    return {name: value for name, value in row.row.items() if name not in row.hidden}


def loop_at_endpoint(project: Project, endpoint: str) -> str | None:
    """The loop that looks after an endpoint."""
    found = (one.name for one in project.cycles.declarations() if one.endpoint == endpoint)
    return next(found, None)


def _ways_back(project: Project, endpoint: Endpoint) -> list[WayBack]:
    """The versions that have a package, those that served before first."""
    served: dict[int, int] = {}
    for move in alias_moves(project, endpoint.model):
        if move.alias == CHAMPION and move.version is not None:
            served.setdefault(move.version, move.at)
    now = endpoint.champion.version
    found = [
        WayBack(one.version, one.algorithm, one.created, served.get(one.version))
        for one in project.registry.versions(endpoint.model, limit=VERSIONS)
        if one.version != now and one.digest is not None
    ]
    return sorted(found, key=lambda one: (one.served is None, -(one.served or one.made)))


def _line(found: Rollout) -> RolloutLine:
    return RolloutLine(
        found.spec.kind, found.champion, found.versions, found.state, found.reason, found.cycle,
        found.began, trails_of(found),
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
