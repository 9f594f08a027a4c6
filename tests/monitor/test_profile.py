from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everloop.data.schema import Feature, Schema
from everloop.errors import Integrity
from everloop.monitor.profile import (
    EXACT,
    CategorySketch,
    NumberSketch,
    profile,
    read_profile,
    sketch_category,
    sketch_number,
)

SCHEMA = Schema(
    features=(
        Feature("n", "number"),
        Feature("c", "category", ("a", "b")),
        Feature("b", "boolean"),
        Feature("d", "datetime"),
    ),
    target="y",
    task="regression",
    time="t",
)


def test_counts_and_moments() -> None:
    sketch = sketch_number(np.array([3.0, 1.0, 1.0, np.nan, np.inf]))
    assert (sketch.n, sketch.missing, sketch.infinite, sketch.rows) == (3, 1, 1, 5)
    assert (sketch.points, sketch.below, sketch.upto) == ((1.0, 3.0), (0, 2), (2, 3))
    assert sketch.mean == pytest.approx(5 / 3)
    assert sketch.exact


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=60), st.floats(-25, 25))
@settings(max_examples=100, deadline=None)
def test_the_distribution_function_is_exact_where_every_value_is_kept(
    values: list[int], x: float
) -> None:
    sketch = sketch_number(np.array(values, dtype=np.float64))
    below, upto = sketch.cdf(np.array(sketch.points))
    for point, under, at_most in zip(sketch.points, below, upto, strict=True):
        assert under == pytest.approx(np.mean(np.array(values) < point))
        assert at_most == pytest.approx(np.mean(np.array(values) <= point))
    low, high = sketch.cdf(np.array([x]))
    assert 0 <= low[0] <= high[0] <= 1


def test_many_values_are_kept_to_within_a_128th() -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    sketch = sketch_number(values)
    assert not sketch.exact
    assert len(sketch.points) < EXACT
    x = np.linspace(-3, 3, 301)
    _, upto = sketch.cdf(x)
    true = np.searchsorted(np.sort(values), x, side="right") / len(values)
    assert np.abs(upto - true).max() < 1 / 128
    median = sketch.quantile(np.array([0.5]))[0]
    assert abs(np.mean(values <= median) - 0.5) < 1 / 128


def test_levels_unseen_and_missing() -> None:
    sketch = sketch_category(pl.Series(["a", "z", None, "a", "z", "q"]), ("a", "b"))
    assert (sketch.counts, sketch.unseen, sketch.missing, sketch.n) == ((2, 0), 3, 1, 5)
    assert sketch.examples[0] == "z"
    assert sketch_category(pl.Series(["a"]), ()).unseen == 1


def test_a_table_of_every_kind() -> None:
    frame = pl.DataFrame(
        {
            "n": [1, 2],
            "c": ["a", None],
            "b": [True, False],
            "d": [datetime(2013, 1, 1, 7), datetime(2013, 1, 1, 9)],
        }
    )
    made = profile(frame, SCHEMA, np.array([0.5, 0.7]))
    number, category = made.features["n"], made.features["c"]
    boolean, instant = made.features["b"], made.features["d"]
    assert isinstance(number, NumberSketch) and number.points == (1.0, 2.0)
    assert isinstance(category, CategorySketch) and category.missing == 1
    assert isinstance(boolean, CategorySketch) and boolean.counts == (1, 1)
    assert isinstance(instant, NumberSketch) and instant.points == (7.0, 9.0)
    assert set(made.sketches()) == {"n", "c", "b", "d", "(prediction)"}
    assert read_profile(made.to_json()) == made


def test_rows_of_another_kind_and_absent_columns_are_missing_never_an_error() -> None:
    made = profile(pl.DataFrame({"n": ["x", "1.5"], "b": [0, 1]}), SCHEMA)
    assert made.features["n"].missing == 1
    assert made.features["c"].missing == 2
    boolean = made.features["b"]
    assert isinstance(boolean, CategorySketch) and boolean.counts == (1, 1)
    empty = profile(pl.DataFrame({"n": pl.Series([], dtype=pl.Float64)}), SCHEMA)
    assert all(sketch.rows == 0 for sketch in empty.features.values())


def test_dates_of_any_type_come_to_the_hour_in_utc() -> None:
    """A request writes its zone as text, and training rows may have had another one."""
    summer = datetime(2024, 7, 1, 8)
    zoned = pl.Series([summer]).dt.replace_time_zone("Europe/Berlin")
    told = {
        6.0: [zoned, pl.Series([datetime(2024, 7, 1, 6)]), pl.Series(["2024-07-01T08:00+02:00"])],
        0.0: [pl.Series([summer.date()]), pl.Series(["2024-07-01"])],
    }
    for hour, columns in told.items():
        for column in columns:
            sketch = profile(pl.DataFrame({"d": column}), SCHEMA).features["d"]
            assert isinstance(sketch, NumberSketch) and sketch.points == (hour,)
    for column in (pl.Series([summer - summer]), pl.Series([summer.time()]), pl.Series([b"x"])):
        assert profile(pl.DataFrame({"d": column}), SCHEMA).features["d"].missing == 1


def test_rows_are_taken_by_time() -> None:
    rng = np.random.default_rng(1)
    slow = np.repeat(rng.normal(size=60), 100)  # neighbours in time are alike
    order = rng.permutation(len(slow))
    frame = pl.DataFrame({"t": np.arange(len(slow)), "n": slow})[order]
    with_time = profile(frame, SCHEMA).features["n"]
    without = profile(frame.drop("t"), SCHEMA).features["n"]
    assert with_time.rows_per_draw > 30
    assert without.rows_per_draw < 3


def test_what_is_no_profile_is_refused() -> None:
    with pytest.raises(Integrity, match=r"profile\.json"):
        read_profile(b'{"rows": "many"}')


@pytest.mark.parametrize("extra", [0, 1])
def test_values_are_kept_while_they_are_few(extra: int) -> None:
    values = np.random.default_rng(0).permutation(np.repeat(np.arange(EXACT + extra), 3) / 7)
    sketch = sketch_number(values)
    assert sketch.exact is not bool(extra)
    if not extra:
        assert sketch.points == tuple(np.arange(EXACT) / 7)
        assert sketch.upto == tuple(range(3, 3 * EXACT + 1, 3))


def test_a_profile_does_not_depend_on_the_order_its_columns_are_done_in() -> None:
    frame = pl.DataFrame(
        {"n": [float(i % 5) for i in range(600)], "c": ["a", "b", None] * 200, "b": [True] * 600}
    )
    whole = profile(frame, SCHEMA)
    assert list(whole.features) == list(SCHEMA.names)
    for feature in SCHEMA.features:
        alone = Schema((feature,), "y", "regression", time="t")
        assert profile(frame, alone).features[feature.name] == whole.features[feature.name]
