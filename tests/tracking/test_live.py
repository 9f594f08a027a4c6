"""Looking at a run again and again: each point once, whatever its time."""

from __future__ import annotations

import math

import pytest

from everloop.errors import NotFound
from everloop.tracking import live
from everloop.tracking.live import Watcher
from everloop.tracking.records import Point
from everloop.tracking.runs import RunStore


@pytest.fixture
def run(runs: RunStore) -> str:
    run = runs.start("e", "n")
    runs.log(run, points=[Point("a", 1.0, 1000, 1)])
    return run


def seen(watcher: Watcher) -> list[tuple[str, int]]:
    """Keys and steps of what one look gives, by metric."""
    look = watcher.look()
    return sorted((key, row[0]) for key, rows in look.points.items() for row in rows)


def test_from_now_on(runs: RunStore, run: str) -> None:
    watcher = Watcher(runs.db, run)
    assert seen(watcher) == []
    runs.log(run, points=[Point("a", 2.0, 1001, 2), Point("b", math.nan, 900, 3)])
    look = watcher.look()
    assert look.points == {"a": [(2, 1001, 2.0)], "b": [(3, 900, None)]}
    assert look.newest == 1001 and not look.more
    assert seen(watcher) == []


def test_from_a_time_on(runs: RunStore, run: str) -> None:
    assert seen(Watcher(runs.db, run, since=0)) == [("a", 1)]
    assert seen(Watcher(runs.db, run, since=1000 + live.WINDOW)) == []


def test_a_point_that_comes_late_is_seen_within_the_window(runs: RunStore, run: str) -> None:
    watcher = Watcher(runs.db, run)
    watcher.look()
    runs.log(run, points=[Point("a", 2.0, 50_000, 2)])
    assert seen(watcher) == [("a", 2)]
    runs.log(run, points=[Point("a", 2.0, 50_000 - live.WINDOW // 2, 3), Point("a", 3.0, 9, 4)])
    assert seen(watcher) == [("a", 3)]


def test_many_points_come_in_several_looks_each_once(
    runs: RunStore, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST", 50)
    monkeypatch.setattr(live, "REMEMBERED", 20)
    watcher = Watcher(runs.db, run, since=0)
    got = seen(watcher)
    expected = [("a", 1)]
    for batch in range(6):
        # As many at one time as a look gives at most, less one; then spread over times.
        times = [2000 + batch * 100 + (i if batch % 2 else 0) for i in range(49)]
        points = [Point("a", 1.0, at, batch * 49 + i + 2) for i, at in enumerate(times)]
        runs.log(run, points=points)
        expected += [("a", point.step) for point in points]
        for _ in range(4):
            got += seen(watcher)
    assert sorted(got) == sorted(expected)


def test_more_points_of_one_time_than_a_look_gives_do_not_stop_it(
    runs: RunStore, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST", 50)
    watcher = Watcher(runs.db, run, since=0)
    runs.log(run, points=[Point("a", 1.0, 2000, step) for step in range(10, 210)])
    runs.log(run, points=[Point("a", 1.0, 2001, 999)])
    got = [one for _ in range(8) for one in seen(watcher)]
    assert got == [("a", step) for step in (1, *range(10, 210), 999)]


def test_what_else_a_run_says(runs: RunStore, run: str) -> None:
    watcher = Watcher(runs.db, run)
    first = watcher.look().state
    assert (first.status, first.params, first.over) == ("RUNNING", {}, False)
    runs.log(run, params={"p": "1"}, tags={"t": "2"})
    runs.finish(run)
    state = watcher.look().state
    assert state.params == {"p": "1"} and state.tags["t"] == "2" and state.over
    with pytest.raises(NotFound):
        Watcher(runs.db, "f" * 32).look()
