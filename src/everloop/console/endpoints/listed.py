"""All endpoints with how they fare now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from everloop.console.endpoints.traffic import ArmTraffic, Traffic, arms_with_traffic
from everloop.deploy.endpoints import Endpoint
from everloop.deploy.rollouts import Rollout
from everloop.loop.project import Project
from everloop.monitor.health import Health
from everloop.store.clock import now_ms
from everloop.store.paging import pack, unpack

ROWS = 50

State = Literal["answering", "on trial", "paused", "not applied yet", "away"]


class EndpointLine(msgspec.Struct, frozen=True):
    """One endpoint; counts are None while this machine's data plane is away.

    ``p99_ms`` is the champion's; ``health`` the newest window of it as a service.
    """

    endpoint: Endpoint
    state: State
    arms: list[ArmTraffic]
    requests: int | None
    errors: int | None
    p99_ms: float | None
    health: Health | None


class EndpointsPage(msgspec.Struct, frozen=True):
    """Endpoints by name, and the JSON at ``/endpoints.json``; ``next`` is the next ``after``."""

    at: int
    endpoints: list[EndpointLine]
    next: str | None


def read_endpoints(
    project: Project, traffic: Mapping[str, Traffic], after: str = ""
) -> EndpointsPage:
    """A page of them, by three queries however many there are.

    Raises :class:`~everloop.errors.InvalidInput` for an ``after`` that no page gave.
    """
    begins = unpack(after, tuple[str])[0] if after else ""
    found = project.endpoints.page(begins, ROWS + 1)
    shown = found[:ROWS]
    names = [one.name for one in shown]
    health, trials = project.health.newest(names), project.rollouts.under_way(names)
    lines = [
        _line(one, traffic.get(one.name), trials.get(one.name), health.get(one.name))
        for one in shown
    ]
    return EndpointsPage(now_ms(), lines, pack([shown[-1].name]) if len(found) > ROWS else None)


def _line(
    endpoint: Endpoint, traffic: Traffic | None, trial: Rollout | None, health: Health | None
) -> EndpointLine:
    arms = arms_with_traffic(msgspec.to_builtins(endpoint.arms), traffic)
    champion = next(arm for arm in arms if arm.role == "champion")
    state: State = "answering" if champion.live else "not applied yet"
    if traffic is None:
        state = "away"
    elif trial is not None:
        state = "paused" if trial.state == "paused" else "on trial"
    return EndpointLine(
        endpoint=endpoint,
        state=state,
        arms=arms,
        requests=_total([arm.requests for arm in arms]),
        errors=_total([arm.errors for arm in arms]),
        p99_ms=champion.p99_ms,
        health=health,
    )


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
