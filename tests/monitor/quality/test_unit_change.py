"""A change of unit is named; a season, a storm and a new level are not taken for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
import pytest

from everloop.data.infer import infer_schema
from everloop.data.spec import DataSpec
from everloop.datasets import flights
from everloop.errors import Unavailable
from everloop.monitor.findings import find_faults
from everloop.monitor.profile import NumberSketch, Profile, profile, sketch_number
from everloop.monitor.quality.unit_change import UnitChangeCheck, find
from everloop.monitor.quality.units import KNOWN

FIRST = 4  # weeks that train
RNG = np.random.default_rng(0)


class Year(NamedTuple):
    """A profile of each week, and of all weeks before it."""

    weeks: list[Profile]
    before: dict[int, Profile]
    numbers: list[str]


@pytest.fixture(scope="module")
def year() -> Year:
    try:
        frame = flights().filter(pl.col("late").is_not_null())
    except Unavailable as error:
        pytest.skip(error.message)
    start = frame["scheduled_at"].dt.truncate("1d").min()
    week = ((frame["scheduled_at"] - start).dt.total_days() // 7).alias("week")
    parts = frame.with_columns(week).partition_by("week", maintain_order=True, include_key=False)
    spec = DataSpec(source="x", target="late", time="scheduled_at", id="flight_id")
    schema = infer_schema(pl.concat(parts[:FIRST]), spec).schema
    before = {k: profile(pl.concat(parts[:k]), schema) for k in range(FIRST, len(parts), 8)}
    numbers = [f.name for f in schema.features if f.kind == "number"]
    return Year([profile(part, schema) for part in parts], before, numbers)


def mapped(sketch: NumberSketch, factor: float, offset: float = 0.0) -> NumberSketch:
    points = np.asarray(sketch.points) * factor + offset
    return msgspec.structs.replace(sketch, points=tuple(points.tolist()))


def broken(week: Profile, feature: str, factor: float, offset: float = 0.0) -> Profile:
    sketch = week.features[feature]
    assert isinstance(sketch, NumberSketch)
    features = week.features | {feature: mapped(sketch, factor, offset)}
    return msgspec.structs.replace(week, features=features)


def last_reference(year: Year, week: int) -> Profile:
    return year.before[max(k for k in year.before if k <= week)]


def faults(year: Year, week: int, current: Profile, reference: Profile | None = None) -> dict:
    reference = reference or last_reference(year, week)
    return find_faults(reference, current, lambda: year.weeks[week - 1])


@pytest.mark.parametrize("reference", ["first weeks", "all weeks before"])
def test_a_real_year_has_no_change_of_unit(year: Year, reference: str) -> None:
    found = [
        (week, fault.summary)
        for week in range(FIRST, len(year.weeks))
        for fault in faults(
            year, week, year.weeks[week], year.before[FIRST] if reference == "first weeks" else None
        ).values()
        if fault.check == "unit_change"
    ]
    assert found == []


def test_a_real_year_has_one_other_fault_its_last_day_without_weather(year: Year) -> None:
    found = {
        (week, fault.check)
        for week in range(FIRST, len(year.weeks))
        for fault in faults(year, week, year.weeks[week]).values()
    }
    assert found == {(52, "missing")}


@pytest.mark.parametrize(
    ("feature", "factor", "offset", "units"),
    [
        ("distance", 1.609344, 0.0, "miles → kilometres"),
        ("distance", 1.609, 0.0, "miles → kilometres"),
        ("distance", 1000.0, 0.0, "thousandth"),
        ("distance", 100.0, 0.0, "hundredth"),
        ("distance", 0.001, 0.0, "thousandth of a unit → the unit"),
        ("seats", 100.0, 0.0, "hundredth"),
        ("wind_speed", 1000.0, 0.0, "thousandth"),
        ("temp", 5 / 9, -160 / 9, "Fahrenheit → Celsius"),
    ],
)
def test_an_injected_change_is_named_in_its_feature(
    year: Year, feature: str, factor: float, offset: float, units: str
) -> None:
    weeks = [w for w in range(FIRST, 52) if w % 3 == 0]
    right, wrong = 0, []
    for week in weeks:
        current = broken(year.weeks[week], feature, factor, offset)
        found = {n: f for n, f in faults(year, week, current).items() if f.check == "unit_change"}
        right += feature in found and units in found[feature].summary
        wrong += [name for name in found if name != feature]
    assert wrong == []
    # A temperature of a season not seen before has no values to be recognised by.
    assert right >= len(weeks) * (0.8 if feature == "temp" else 1.0)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_part_of_the_rows_in_another_unit_is_named_with_its_share(share: float) -> None:
    values = RNG.choice(np.unique(RNG.integers(80, 2_600, 150)), 6_000).astype(float)
    part = np.where(RNG.random(6_000) < share, values * 1.609344, values)
    fault = UnitChangeCheck().check(
        "distance", sketch_number(values), sketch_number(part), lambda: None
    )
    assert fault is not None
    assert fault.quarantine
    assert fault.summary.startswith("distance looks multiplied by 1.609: miles → kilometres in ")
    assert fault.evidence["share"] == pytest.approx(share, abs=0.03)


def test_a_number_without_repeated_values_is_known_by_its_shape() -> None:
    before = sketch_number(RNG.lognormal(3, 0.8, 5_000))
    match = find(before, sketch_number(RNG.lognormal(3, 0.8, 2_000) / 1_000), lambda: None)
    assert match is not None
    assert match.by == "shape"
    assert match.change.factor == 0.001


@pytest.mark.parametrize(
    "now",
    [
        lambda: RNG.normal(60, 8, 3_000),  # moved by a season
        lambda: RNG.normal(40, 30, 3_000),  # spread
        lambda: np.append(RNG.normal(40, 8, 2_900), RNG.normal(400, 3, 100)),  # outliers
        lambda: RNG.normal(40, 8, 3_000),
        lambda: np.full(3_000, 400.0),  # one value is no distribution
        lambda: RNG.normal(400, 80, 40),  # too few rows
        lambda: np.array([]),
    ],
)
def test_what_is_no_change_of_unit(now: Callable[[], np.ndarray]) -> None:
    before = sketch_number(RNG.normal(40, 8, 5_000))
    near = sketch_number(RNG.normal(42, 8, 3_000))
    assert find(before, sketch_number(now()), lambda: near) is None


def test_a_slow_change_is_none_even_where_a_factor_fits() -> None:
    before, near = sketch_number(RNG.normal(37, 9, 5_000)), sketch_number(RNG.normal(57, 14, 3_000))
    assert find(before, sketch_number(RNG.normal(60, 14.5, 3_000)), lambda: near) is None


def test_round_numbers_above_the_range_are_no_change_of_unit() -> None:
    before = sketch_number(RNG.integers(1, 51, 5_000).astype(float))
    rounds = RNG.choice([60, 70, 80, 90, 100, 200, 300, 400, 500], 600, p=[0.2] * 4 + [0.04] * 5)
    now = np.append(RNG.integers(1, 51, 2_400), rounds).astype(float)
    assert find(before, sketch_number(now), lambda: None) is None


def test_every_known_change_has_words() -> None:
    for change in KNOWN:
        assert change.factor > 0
        assert ": " in change.phrase()
        assert "→" in change.phrase()
