"""What the data plane counts of an endpoint, beside the rollout that was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec

from everloop.deploy.serving.standing import FRESH_S, Standing
from everloop.loop.project import Project
from everloop.store.clock import now_ms

HOUR_MS = 3_600_000


class Traffic(msgspec.Struct, frozen=True):
    """What the data plane says of one endpoint since it started.

    ``arms`` are the versions that answer now, ``versions`` the counts by version and role and
    ``codes`` the answers by HTTP status; ``queue`` has the requests under way and waiting, and
    their bounds, ``cache`` its hits and misses where answers are kept, ``unexpected`` the rows
    with a value that is not as expected, by feature and check.
    """

    model: str
    arms: list[dict[str, Any]]
    versions: dict[str, dict[str, dict[str, Any]]]
    codes: dict[str, int] = {}
    queue: dict[str, int] = {}
    cache: dict[str, int] = {}
    unexpected: dict[str, dict[str, int]] = {}


class Load(msgspec.Struct, frozen=True):
    """What was asked of an endpoint, by all its versions and data planes.

    In the last hour where windows of its health say so; otherwise ``seconds`` is None, and it is
    what this machine's data plane has counted since it started.
    """

    requests: int
    errors: int
    p99_ms: float | None
    seconds: float | None = None

    @property
    def per_minute(self) -> float | None:
        return self.requests / self.seconds * 60 if self.seconds else None


def loads(
    project: Project, endpoints: Collection[str], traffic: Mapping[str, Traffic]
) -> dict[str, Load]:
    """What is asked of each endpoint; one of which nothing is known is left out."""
    counted = {name: _since_start(one) for name, one in traffic.items() if name in endpoints}
    return counted | {
        name: Load(one.requests, one.errors, one.quantile(0.99), HOUR_MS / 1000)
        for name, one in project.health.counted(endpoints, now_ms() - HOUR_MS).items()
    }


def _since_start(traffic: Traffic) -> Load:
    counts = [
        found
        for roles in traffic.versions.values()
        for role, found in roles.items()
        if role != "shadow"
    ]
    slowest = [p99 for c in counts if (p99 := c.get("latency_ms", {}).get("p99")) is not None]
    return Load(
        sum(c.get("requests", 0) for c in counts),
        sum(c.get("errors", 0) for c in counts),
        max(slowest, default=None),
    )


class ArmTraffic(msgspec.Struct, frozen=True):
    """One version behind an endpoint; the counts are None while the data plane is away.

    ``live`` is True when the data plane answers with it now. Latencies are in milliseconds.
    """

    version: int
    role: str
    weight: float
    live: bool
    requests: int | None = None
    rows: int | None = None
    errors: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


class Elsewhere(msgspec.Struct, frozen=True):
    """What a data plane on another machine said last of an endpoint, and when (``heard``, ms).

    ``state`` is ``silent`` where nothing was heard for long, and ``not ready`` while not every
    endpoint answers there; ``traffic`` is None while it has not applied this one.
    """

    plane: str
    url: str
    version: str
    heard: int
    state: Literal["answering", "not ready", "silent"]
    revision: int
    errors: dict[str, str]
    arms: list[ArmTraffic]
    traffic: Traffic | None


def elsewhere(endpoint: str, arms: Sequence[Any], planes: Sequence[Standing]) -> list[Elsewhere]:
    """An endpoint's arms (as of :func:`arms_with_traffic`) at each of these data planes."""
    found = []
    for one in planes:
        try:
            counts = msgspec.convert(one.traffic.get(endpoint), Traffic | None)
        except msgspec.ValidationError:
            counts = None  # of a version of everloop that counts otherwise
        silent = now_ms() - one.heard >= FRESH_S * 1000
        state: Any = "silent" if silent else "answering" if one.ready else "not ready"
        found.append(
            Elsewhere(
                one.plane, one.url, one.version, one.heard, state, one.revision,
                one.errors, arms_with_traffic(arms, counts), counts,
            )
        )  # fmt: skip
    return found


def arms_with_traffic(arms: Sequence[Any], traffic: Traffic | None) -> list[ArmTraffic]:
    """Each arm of the rollout (:class:`everloop.deploy.state.Arm`'s fields) with its counts."""
    out = []
    for arm in arms:
        version, role, weight = arm["version"], arm["role"], arm["weight"]
        if traffic is None:
            out.append(ArmTraffic(version, role, weight, False))
            continue
        live = any(a["version"] == version and a["role"] == role for a in traffic.arms)
        counts = traffic.versions.get(str(version), {}).get(role, {})
        latency = counts.get("latency_ms", {})
        out.append(
            ArmTraffic(
                version, role, weight, live,
                requests=counts.get("requests", 0), rows=counts.get("rows", 0),
                errors=counts.get("errors", 0), p50_ms=latency.get("p50"),
                p99_ms=latency.get("p99"),
            )
        )  # fmt: skip
    return out
