"""Service health: what counters say of a window, and what lasts long enough to be told."""

from __future__ import annotations

import pytest

from everloop.monitor.health import (
    Counted,
    HealthStore,
    at_least,
    between,
    counted_from,
    health_of,
    to_raise,
)
from everloop.monitor.spec import HealthSpec
from everloop.store.database import Database

SPEC = HealthSpec(p99_ms=100, core_hour=0.1)
MINUTE = 60_000


def said(requests: int, errors: int = 0, late: int = 0, cpu: float = 0.0) -> dict:
    buckets = {"10.0": requests - late, "200.0": late}
    counts = {"requests": requests, "rows": 2 * requests, "latency_ms": {"buckets": buckets}}
    shadow = {"requests": 999, "rows": 999, "latency_ms": {"buckets": {"inf": 999}}}
    return {
        "versions": {"1": {"champion": counts, "shadow": shadow}},
        "codes": {"200": requests - errors, "500": errors, "429": 3},
        "cpu_s": cpu, "busy_ms": float(requests), "all_busy_ms": 2.0 * requests,
    }  # fmt: skip


def test_a_window_is_the_difference_of_two_looks() -> None:
    before, after = counted_from(said(100, cpu=1.0)), counted_from(said(300, 4, 10, cpu=3.0))
    found = between(before, after, {"active": 3, "waiting": 1, "concurrency": 4})
    assert (found.requests, found.rows, found.errors, found.shed) == (200, 400, 4, 0)
    assert found.slow == {"10.0": 190, "200.0": 10}
    assert found.cpu_s == 1.0  # half of the time spent was this endpoint's
    health = health_of(0, 10_000, found, SPEC)
    assert (health.error_rate, health.p50_ms, health.p99_ms) == (0.02, 10.0, 200.0)
    assert (health.per_second, health.saturation) == (20.0, 0.75)
    assert health.cost == pytest.approx(1.0 / 3600 * 0.1 / 400 * 1000)
    assert list(health.beyond) == ["p99_ms"]  # 4 of 200 may be luck at 1 %, 10 slow ones are not


def test_a_plane_that_began_anew_counts_from_nothing() -> None:
    found = between(counted_from(said(500)), counted_from(said(20)), {})
    assert found.requests == 20


def test_few_requests_and_luck_are_no_alert() -> None:
    few = Counted(requests=10, errors=10)
    assert health_of(0, MINUTE, few, SPEC).beyond == {}
    assert health_of(0, MINUTE, Counted(requests=100, errors=2), SPEC).beyond == {}
    assert "error_rate" in health_of(0, MINUTE, Counted(requests=100, errors=6), SPEC).beyond
    shed = Counted(requests=50, shed=50)
    assert "50.0% of the requests were refused" in health_of(0, MINUTE, shed, SPEC).beyond["shed"]
    assert at_least(0, 100) == 0.0
    assert at_least(5, 100) == pytest.approx(0.0199, abs=1e-3)  # scipy.stats.binomtest agrees


def test_what_lasts_is_raised_and_what_passes_is_not(database: Database) -> None:
    store = HealthStore(database)
    bad, good = Counted(requests=100, errors=50), Counted(requests=100)
    raised = []
    for place, counted in enumerate((bad, good, bad, bad, bad)):
        store.add("e", place * MINUTE, (place + 1) * MINUTE, counted, SPEC)
        found = to_raise("e", store.page("e", limit=3), SPEC)
        assert [alert.feature for alert in found] == (["error_rate"] if place == 3 else [])
        raised += found
    (alert,) = raised
    assert (alert.kind, alert.severity, alert.window) == ("health", "critical", 3 * MINUTE)
    assert alert.summary.startswith("50.0% of the answers were errors")


def test_a_window_begun_by_another_controller_is_added_to(database: Database) -> None:
    store = HealthStore(database)
    store.add("e", 0, MINUTE, Counted(requests=5, rows=5), SPEC)
    made = store.add("e", 0, MINUTE, Counted(requests=7, rows=7), SPEC)
    assert (made.counted.requests, len(store.page("e"))) == (12, 1)
