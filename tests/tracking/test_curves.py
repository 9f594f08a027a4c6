"""Curves for charts: what is left out, what never is, and how little is fetched for it."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.curves import Curve, Span
from everloop.tracking.points import LARGEST, keep_points
from everloop.tracking.records import Point
from everloop.tracking.runs import RunStore, active

VALUES = st.one_of(
    st.floats(allow_nan=False), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0])
)
POINTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(-5, 60), VALUES), min_size=1, max_size=120
)
SPANS = st.builds(
    Span,
    st.sampled_from(["step", "time"]),
    st.none() | st.integers(-5, 30),
    st.none() | st.integers(10, 60),
)


def finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) or abs(value) >= LARGEST else value


def check(curve: Curve, points: list[tuple[int, int, float]], span: Span, most: int) -> None:
    """What every curve keeps of the points that were logged."""
    low = -math.inf if span.low is None else span.low
    high = math.inf if span.high is None else span.high
    place = 1 if span.axis == "step" else 0
    inside = {(at, step, finite(v)) for at, step, v in points if low <= (at, step)[place] <= high}
    drawn = list(zip(curve.at, curve.step, curve.value, strict=True))
    assert set(drawn) <= inside and len(drawn) <= max(most, 0)
    assert [one[place] for one in drawn] == sorted(one[place] for one in drawn)
    known = [value for _, _, value in inside if value is not None]
    shown = [value for _, _, value in drawn if value is not None]
    if known:
        assert (min(shown), max(shown)) == (min(known), max(known))
    assert (len(known) < len(inside)) == (len(shown) < len(drawn))
    if inside:
        for end in (min(inside, key=place_of), max(inside, key=place_of)):
            assert end[:2] in {one[:2] for one in drawn}
    if len(inside) <= most:
        assert set(drawn) == inside


def place_of(point: tuple[int, int, float | None]) -> tuple[int, int]:
    return point[:2]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(points=POINTS, span=SPANS, most=st.integers(10, 40))
def test_extremes_ends_and_gaps_stay(
    runs: RunStore, points: list[tuple[int, int, float]], span: Span, most: int
) -> None:
    run = runs.start("e", "drawn")
    with runs.db.write() as conn:
        row = active(conn, run)
        keep_points(
            conn, row.number, row.experiment, [Point("m", v, at, step) for at, step, v in points]
        )
    check(runs.curves([run], "m", span, most)[run], points, span, most)


def test_crowded_moments_are_cut_by_step(runs: RunStore) -> None:
    """A pause, and a thousand points of one millisecond: time alone would not tell them apart."""
    draw = random.Random(0)
    points = [(5, step, draw.gauss(0, 1)) for step in range(1000)]
    points += [(10**12 + step, step, draw.gauss(0, 1)) for step in range(1000, 1400)]
    run = runs.start("e", "crowded")
    runs.log(run, points=[Point("m", v, at, step) for at, step, v in points])
    curve = runs.curves([run], "m", most=100)[run]
    check(curve, points, Span(), 100)
    assert curve.points == 1400 and len(curve.step) > 60
    assert max(b - a for a, b in zip(curve.step, curve.step[1:], strict=False)) < 120


def test_many_runs_are_one_statement_when_they_are_short(runs: RunStore) -> None:
    asked: list[str] = []
    sa.event.listen(runs.db.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    made = [runs.start("e", f"r{i}") for i in range(12)]
    for place, run in enumerate(made):
        runs.log(run, points=[Point("m", place, 1000 + i, i) for i in range(place)])
    asked.clear()
    found = runs.curves([*made, "none"], "m", most=20)
    assert [len(found[run].step) for run in made] == list(range(12)) and "none" not in found
    assert sum("metric_points" in text for text in asked) == 1


def test_a_long_curve_fetches_few_rows(sqlite_database: Database, tmp_path: Path) -> None:
    """What is read of many points is bounded by what is drawn of them."""
    count, key, fetched = 150_000, "loss", Counter[str]()
    runs = RunStore(
        sqlite_database, EventLog(sqlite_database, Keys.load_or_create(tmp_path / "keys"))
    )
    run = runs.start("e", "long")
    value = np.random.default_rng(0).normal(size=count)
    number = runs.get(run).number
    rows = zip(repeat(number), repeat(key), range(count), range(count), value.tolist(), repeat(0))
    with sqlite_database.write() as conn:
        raw = conn.connection.dbapi_connection
        raw.executemany("INSERT INTO metric_points VALUES (?, ?, ?, ?, ?, ?)", rows)

    @sa.event.listens_for(sqlite_database.engine, "checkout")  # type: ignore[untyped-decorator]
    def counted(raw: Any, *_: object) -> None:
        raw.row_factory = lambda _, row: (fetched.update(["rows"]), row)[1]

    curve = runs.curves([run], key, most=500)[run]
    assert (min(curve.value), max(curve.value)) == (value.min(), value.max())
    assert curve.points == count and 400 < len(curve.step) <= 500
    assert fetched["rows"] < 1_700
