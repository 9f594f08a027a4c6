"""Service health of a real data plane, seen by the controller's eyes, down to an open alert."""

from __future__ import annotations

from serving_harness import ROW

from everloop.deploy.state import Arm
from everloop.loop.declaration import from_dict
from everloop.loop.health import HealthWatch
from everloop.loop.project import Project
from everloop.settings import Settings
from waiting import wait_for

MINUTE = 60_000
FILE = {
    "loop": {"name": "flights"},
    "data": {"source": "d.csv", "target": "y"},
    "monitor": {"health": {"window": "1m", "p99_ms": 0.01, "windows": 2}},
}


def test_a_slow_plane_is_told_while_it_lasts(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    declared = from_dict(FILE).declaration
    with Project.open(project.folder, Settings()) as opened:
        opened.cycles.save_loop(declared, actor="test")
        wait_for(lambda: opened.planes())
        watch = HealthWatch(opened)
        watch.begin()
        assert watch.look(declared, now=0) is None
        for minute in (1, 2):
            for _ in range(30):
                assert serving.predict([ROW, ROW]).status_code == 200
            assert serving.predict([{"x0": "no"}]).status_code == 422  # the caller's own fault
            watch.begin()
            found = watch.look(declared, now=minute * MINUTE)
            assert found is not None and found.start == (minute - 1) * MINUTE
            assert (found.counted.requests, found.counted.rows) == (30, 60)
            assert found.error_rate == 0 and found.p99_ms is not None and found.p99_ms > 0
            assert found.counted.places > 0 and list(found.beyond) == ["p99_ms"]
        assert opened.alerts.route("flights", declared.monitor, now=2 * MINUTE) == 0
        (line,) = opened.alerts.page(state="open")
        assert (line.incident.kind, line.incident.feature) == ("health", "p99_ms")
        watch.begin()
        assert watch.look(declared, now=3 * MINUTE) is None  # nobody asked: nothing to keep
        opened.alerts.route("flights", declared.monitor, now=9 * MINUTE)
        assert opened.alerts.page(state="open") == []
        assert len(opened.health.page("flights")) == 2
