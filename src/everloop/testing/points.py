"""The contract of metrics: no point lost, none doubled, and the newest of each known."""

from __future__ import annotations

import math
import random
from functools import partial

import pytest

from everloop.errors import InvalidInput
from everloop.testing._base import Backend, Stores, at_once
from everloop.tracking.records import Point

LARGEST = 1.7976931348623157e308


class PointsContract(Backend):
    """Points, from any number of writers in any order."""

    def test_the_newest_is_the_largest_whatever_comes_first(self, servers: list[Stores]) -> None:
        runs = servers[0].runs
        points = [
            Point("m", value, at, step)
            for step in (0, 3, -1)
            for at in (9, 5)
            for value in (2.0, -1.0)
        ]
        for seed in range(4):
            run = runs.create(0).id
            random.Random(seed).shuffle(points)
            calls = [
                partial(server.runs.log, run, points=points[n::4])
                for n, server in enumerate(servers * 2)
            ]
            at_once(calls)
            assert runs.get(run).metrics == {"m": Point("m", 2.0, 9, 3)}
            assert len(runs.history(run, "m").items) == len(points)

    def test_no_point_is_lost_or_doubled(self, servers: list[Stores]) -> None:
        runs = servers[0].runs
        run = runs.create(0).id
        own = [[Point(f"own{n}", s * n, s, s) for s in range(100)] for n in range(8)]
        shared = [Point("shared", 0.5 * s, s, s) for s in range(100)]

        def write(server: Stores, n: int) -> None:
            # Everybody sends the shared ones, each in an order of their own, and some twice.
            mixed = own[n] + shared
            random.Random(n).shuffle(mixed)
            for start in (0, 50, 100, 50):
                server.runs.log(run, points=mixed[start : start + (50 if start < 100 else 100)])

        at_once([partial(write, server, n) for n, server in enumerate(servers * 4)])
        for n in range(8):
            assert runs.history(run, f"own{n}").items == own[n]
        assert runs.history(run, "shared").items == shared
        latest = runs.get(run).metrics
        assert latest == {f"own{n}": own[n][-1] for n in range(8)} | {"shared": shared[-1]}

    def test_many_runs_at_once(self, servers: list[Stores]) -> None:
        def whole(server: Stores, n: int) -> str:
            run = server.runs.create(0, name=str(n)).id
            for step in range(10):
                server.runs.log_metrics(run, {"a": step, "b": -step}, step=step, at=step)
            server.runs.finish(run)
            return run

        ids = at_once([partial(whole, server, n) for n, server in enumerate(servers * 4)])
        for run in ids:
            assert [p.value for p in servers[0].runs.history(run, "a").items] == list(range(10))
            assert servers[0].runs.get(run).metrics["b"] == Point("b", -9, 9, 9)

    def test_values_come_back_to_the_bit(self, stores: Stores) -> None:
        run = stores.runs.create(0).id
        values = [5e-324, -0.1, 1 / 3, 1e300, float(2**53 - 1), -LARGEST]
        points = [Point("m", value, 1_700_000_000_000 + n, n) for n, value in enumerate(values)]
        stores.runs.log(run, points=[*points, Point("far", 1.0, 2**63 - 1, -(2**63))])
        assert stores.runs.history(run, "m").items == points
        assert stores.runs.get(run).metrics["far"] == Point("far", 1.0, 2**63 - 1, -(2**63))

    def test_what_is_no_number_and_what_has_no_end(self, stores: Stores) -> None:
        run = stores.runs.create(0).id
        values = {"nan": math.nan, "up": math.inf, "down": -math.inf}
        stores.runs.log(run, points=[Point(key, value, 1) for key, value in values.items()])
        got = {key: point.value for key, point in stores.runs.get(run).metrics.items()}
        assert math.isnan(got.pop("nan"))
        assert got == {"up": LARGEST, "down": -LARGEST}
        assert math.isnan(stores.runs.history(run, "nan").items[0].value)

    def test_a_history_is_in_order_and_its_pages_do_not_drift(self, servers: list[Stores]) -> None:
        here, there = (server.runs for server in servers)
        run = here.create(0).id
        points = [Point("m", float(n % 3), 100 + n // 4, n) for n in range(20)]
        here.log(run, points=[*reversed(points), Point("other", 1, 1)])
        found: list[Point] = []
        token = None
        for page in range(5):
            got = here.history(run, "m", limit=4, token=token)
            found, token = found + got.items, got.next
            # Before, between and behind what was read: only the last may still come.
            there.log(run, points=[Point("m", -1.0, at, -1 - page) for at in (0, 100)])
        assert [point for point in found if point.step >= 0] == points
        assert len({(point.at, point.step) for point in found}) == len(found)
        assert here.history(run, "nothing").items == []

    def test_a_chart_keeps_the_ends_of_each_run(self, stores: Stores) -> None:
        long, short, empty = (stores.runs.create(0).id for _ in range(3))
        stores.runs.log(long, points=[Point("m", n, n, n) for n in range(300)])
        stores.runs.log(short, points=[Point("m", n, n, n) for n in range(37)])
        got = stores.runs.sampled([long, short, empty], "m", limit=10)
        steps = {run: [point.step for point in points] for run, points in got.items()}
        assert (steps[long][0], steps[long][-1]) == (0, 299)
        assert 10 <= len(steps[long]) <= 14
        assert {0, 36} <= set(steps[short])
        assert steps[empty] == []

    def test_one_bad_point_keeps_back_all(self, stores: Stores) -> None:
        runs = stores.runs
        run = runs.create(0).id
        good = Point("m", 1.0, 1)
        for bad in (
            Point("", 1.0, 1),
            Point("a\0", 1.0, 1),
            Point("k" * 251, 1.0, 1),
            Point("m", 1.0, 2**63),
            Point("m", 1.0, 1, 2**63),
            Point("m", 1.0, 1, -(2**63) - 1),
            Point("m", 10**400, 1),
        ):
            with pytest.raises(InvalidInput):
                runs.log(run, points=[good, bad])
        assert runs.get(run).metrics == {}
        for token in ("forged", "é", "", "k6FhYQ", "=" * 30_000):
            with pytest.raises(InvalidInput) as caught:
                runs.history(run, "m", token=token)
            assert caught.value.code == "bad_page_token"
