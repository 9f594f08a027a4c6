"""How an endpoint fares as a service, window by window of the clock: from the planes' counters.

A data plane counts since it started; what happened in a window is the difference of two looks. A
counter that fell means a plane that was restarted, which counts from 0 again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import scipy
import sqlalchemy as sa

from everloop.monitor.spec import HealthSpec
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import upsert
from everloop.store.tables import health_windows

HOUR_S = 3600.0
SURE = 0.05  # chance that a share is called beyond its target by luck alone, in one window
SLOWEST_MS = 5000.0  # the last bound of the planes' buckets
MOST = 1000


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted: sums over versions and data planes, none of them shadows.

    ``slow`` are requests by the upper bound of their latency in ms (the last has none), ``cpu_s``
    the CPU time of the planes that goes to this endpoint by its share of the time spent on answers.
    ``peak`` and ``waiting`` are the most requests under way and waiting that a look saw, ``places``
    how many may be under way.
    """

    requests: int = 0
    rows: int = 0
    errors: int = 0
    shed: int = 0
    slow: dict[str, int] = {}
    cpu_s: float = 0.0
    peak: int = 0
    waiting: int = 0
    places: int = 0

    def plus(self, other: Counted) -> Counted:
        slow = dict(self.slow)
        for bound, count in other.slow.items():
            slow[bound] = slow.get(bound, 0) + count
        return Counted(
            requests=self.requests + other.requests, rows=self.rows + other.rows,
            errors=self.errors + other.errors, shed=self.shed + other.shed, slow=slow,
            cpu_s=self.cpu_s + other.cpu_s, peak=max(self.peak, other.peak),
            waiting=max(self.waiting, other.waiting), places=max(self.places, other.places),
        )  # fmt: skip

    def quantile(self, q: float) -> float | None:
        """The latency in ms that a share ``q`` did not exceed: the upper bound of its bucket."""
        left = q * sum(self.slow.values())
        last = None
        for bound, count in sorted(self.slow.items(), key=lambda pair: float(pair[0])):
            left -= count
            # What is beyond all bounds took the last of them at least.
            last = float(bound) if bound != "inf" else SLOWEST_MS
            if left <= 0:
                break
        return last


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A window of an endpoint; shares are of all requests, times in ms, None without requests.

    ``cost`` is that of 1,000 predictions, in the currency of ``core_hour``; ``beyond`` says what
    exceeds its target, in a sentence each.
    """

    start: int
    end: int
    counted: Counted
    error_rate: float | None
    shed_rate: float | None
    p50_ms: float | None
    p99_ms: float | None
    per_second: float
    saturation: float | None
    cost: float | None
    beyond: dict[str, str]


def health_of(start: int, end: int, counted: Counted, spec: HealthSpec) -> Health:
    """What the counts of a window say, and what of it is beyond its target."""
    asked = counted.requests + counted.shed
    seconds = max(end - start, 1) / 1000
    cost = None
    if counted.rows:
        cost = counted.cpu_s / HOUR_S * spec.core_hour / counted.rows * 1000
    return Health(
        start=start,
        end=end,
        counted=counted,
        error_rate=counted.errors / asked if asked else None,
        shed_rate=counted.shed / asked if asked else None,
        p50_ms=counted.quantile(0.5),
        p99_ms=counted.quantile(0.99),
        per_second=counted.requests / seconds,
        saturation=counted.peak / counted.places if counted.places else None,
        cost=cost,
        beyond=_beyond(counted, asked, spec),
    )


def _beyond(counted: Counted, asked: int, spec: HealthSpec) -> dict[str, str]:
    """What exceeds its target, where so many requests cannot have done so by luck alone."""
    if asked < spec.min_requests:
        return {}
    found = {}
    for name, count, target, words in (
        ("error_rate", counted.errors, spec.error_rate, "of the answers were errors"),
        ("shed", counted.shed, spec.shed, "of the requests were refused, since the queue was full"),
    ):
        if at_least(count, asked) > target:
            found[name] = f"{count / asked:.1%} {words}, at most {target:.1%} are meant to be"
    timed = sum(counted.slow.values())
    late = sum(count for bound, count in counted.slow.items() if float(bound) > spec.p99_ms)
    if spec.p99_ms and timed and at_least(late, timed) > 0.01:
        found["p99_ms"] = (
            f"{late / timed:.1%} of the answers took longer than {spec.p99_ms:g} ms, "
            "at most 1.0% are meant to"
        )
    return found


def at_least(count: int, of: int) -> float:
    """The lower end of the one-sided 95 % interval of a share (Clopper & Pearson, 1934)."""
    return float(scipy.special.betaincinv(count, of - count + 1, SURE)) if count else 0.0


class HealthStore:
    """Windows of service health in the database."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def add(
        self, endpoint: str, start: int, end: int, counted: Counted, spec: HealthSpec
    ) -> Health:
        """Keep a window; what one of the same start holds already is added to."""
        key = (health_windows.c.endpoint == endpoint) & (health_windows.c.start == start)
        with self.db.write() as conn:
            before = conn.execute(sa.select(health_windows.c.counts).where(key)).scalar()
            if before is not None:
                counted = msgspec.json.decode(before, type=Counted).plus(counted)
            made = health_of(start, end, counted, spec)
            conn.execute(
                upsert(health_windows, ["endpoint", "start"], ["end", "counts", "found"]),
                {
                    "endpoint": endpoint, "start": start, "end": end,
                    "counts": msgspec.json.encode(counted).decode(),
                    "found": msgspec.json.encode(made).decode(),
                },
            )  # fmt: skip
        return made

    def newest(self, endpoints: Collection[str]) -> dict[str, Health]:
        """The newest window of each of these endpoints that has one: one query."""
        h = health_windows.c
        last = (
            sa.select(h.endpoint, sa.func.max(h.start).label("start"))
            .where(h.endpoint.in_(endpoints))
            .group_by(h.endpoint)
            .subquery()
        )
        same = (h.endpoint == last.c.endpoint) & (h.start == last.c.start)
        query = sa.select(h.endpoint, h.found).join(last, same)
        with self.db.read() as conn:
            rows = conn.execute(query).all()
        return {row.endpoint: msgspec.json.decode(row.found, type=Health) for row in rows}

    def page(self, endpoint: str, before: int | None = None, limit: int = 100) -> list[Health]:
        """Windows newest first."""
        query = sa.select(health_windows.c.found).where(health_windows.c.endpoint == endpoint)
        if before is not None:
            query = query.where(health_windows.c.start < before)
        query = query.order_by(health_windows.c.start.desc()).limit(max(1, min(limit, MOST)))
        with self.db.read() as conn:
            return [
                msgspec.json.decode(text, type=Health) for text in conn.execute(query).scalars()
            ]

    def counted(self, endpoints: Collection[str], since: int) -> dict[str, Counted]:
        """What was counted of each endpoint in windows that began at ``since`` or later."""
        table = health_windows.c
        query = sa.select(table.endpoint, table.counts).where(
            table.endpoint.in_(endpoints), table.start >= since
        )
        found: dict[str, Counted] = {}
        with self.db.read() as conn:
            for row in conn.execute(query):
                one = msgspec.json.decode(row.counts, type=Counted)
                found[row.endpoint] = found.get(row.endpoint, Counted()).plus(one)
        return found


def to_raise(endpoint: str, newest: Sequence[Health], spec: HealthSpec) -> list[Alert]:
    """What is beyond its target in the newest windows (newest first), and was not one before."""
    recent, earlier = newest[: spec.windows], newest[spec.windows : spec.windows + 1]
    if len(recent) < spec.windows:
        return []
    lasting = set.intersection(*(set(window.beyond) for window in recent))
    lasting -= {name for window in earlier for name in window.beyond}
    now = recent[0]
    return [
        Alert(
            id=alert_id(endpoint, now.start, "health", name),
            endpoint=endpoint,
            window=now.start,
            kind="health",
            severity="critical" if name == "error_rate" else "warning",
            feature=name,
            summary=f"{now.beyond[name]}, for {len(recent)} windows.",
            evidence={"window": msgspec.to_builtins(now), "targets": msgspec.to_builtins(spec)},
            at=now_ms(),
        )
        for name in sorted(lasting)
    ]


def counted_from(said: Mapping[str, Any]) -> dict[str, float]:
    """The counters of one endpoint at one data plane, flat, as ``GET /endpoints`` has them."""
    found: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        found[name] = found.get(name, 0.0) + value

    for roles in said.get("versions", {}).values():
        for role, counts in roles.items():
            if role == "shadow":
                continue
            add("requests", counts["requests"])
            add("rows", counts["rows"])
            for bound, count in counts["latency_ms"].get("buckets", {}).items():
                add(f"slow:{bound}", count)
    for code, count in said.get("codes", {}).items():
        add("errors" if code.startswith("5") else "shed" if code == "429" else "other", count)
    add("cpu_s", said.get("cpu_s", 0.0))
    add("busy_ms", said.get("busy_ms", 0.0))
    add("all_busy_ms", said.get("all_busy_ms", 0.0))
    return found


def between(
    before: Mapping[str, float], after: Mapping[str, float], queue: Mapping[str, int]
) -> Counted:
    """What was counted between two looks at a plane; all of it where the plane began anew."""
    if any(after.get(name, 0.0) < value for name, value in before.items()):
        before = {}
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    busy = grown.get("all_busy_ms", 0.0)
    share = grown.get("busy_ms", 0.0) / busy if busy > 0 else 0.0
    return Counted(
        requests=int(grown.get("requests", 0)),
        rows=int(grown.get("rows", 0)),
        errors=int(grown.get("errors", 0)),
        shed=int(grown.get("shed", 0)),
        slow={
            n.removeprefix("slow:"): int(v) for n, v in grown.items() if n.startswith("slow:") and v
        },
        cpu_s=grown.get("cpu_s", 0.0) * share,
        peak=queue.get("active", 0),
        waiting=queue.get("waiting", 0),
        places=queue.get("concurrency", 0),
    )
