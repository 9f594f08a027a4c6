"""Held-out rows: the newest where there is a time, the same ones every time elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.data.splits import forward, k_fold, nested, split
from everloop.errors import InvalidInput

N = 1000
RNG = np.random.default_rng(3)
TIMES = [datetime(2024, 1, 1) + timedelta(hours=int(h)) for h in RNG.permutation(N)]
DF = pl.DataFrame({"x": RNG.normal(size=N), "y": RNG.random(N) < 0.1, "t": TIMES})
PLAIN = Schema((Feature("x", "number"),), "y", "binary", classes=(False, True))
TIMED = Schema((Feature("x", "number"),), "y", "binary", classes=(False, True), time="t")
REGRESSION = Schema((Feature("x", "number"),), "y", "regression")


def whole(found):
    return sorted([*found.train.tolist(), *found.test.tolist()]) == list(range(N))


@pytest.mark.parametrize("holdout", [0.2, "5d"])
def test_with_a_time_the_newest_rows_test(holdout):
    found = split(DF, TIMED, holdout, seed=0)
    times = DF["t"]
    assert whole(found)
    assert times[found.train.tolist()].max() < times[found.test.tolist()].min()
    assert times[found.train.tolist()].is_sorted()
    assert len(found.test) == (200 if holdout == 0.2 else 120)
    assert found.how.startswith("the")


def test_equal_times_stay_together():
    df = DF.with_columns(t=pl.col("t").dt.truncate("5d"))
    found = split(df, TIMED, 0.2, seed=0)
    assert not set(df["t"][found.train.tolist()]) & set(df["t"][found.test.tolist()])


def test_random_rows_keep_the_share_of_each_class():
    found = split(DF, PLAIN, 0.3, seed=1)
    assert whole(found)
    y = DF["y"].to_numpy()
    assert abs(y[found.test].mean() - y.mean()) < 0.03
    assert abs(len(found.test) - 300) <= 45  # three deviations of a draw
    exact = split(DF, PLAIN, 0.3, seed=1, how="stratified")
    assert whole(exact)
    assert abs(y[exact.test].mean() - y.mean()) < 0.002
    assert abs(len(exact.test) - 300) <= 1


def test_the_order_of_the_file_does_not_matter():
    shuffled = DF.sample(fraction=1, shuffle=True, seed=5)
    for schema in (PLAIN, REGRESSION):
        one = DF["x"][split(DF, schema, 0.2, seed=7).test.tolist()]
        other = shuffled["x"][split(shuffled, schema, 0.2, seed=7).test.tolist()]
        assert set(one) == set(other)


PINNED = [4, 5, 7, 9, 10, 19]


def test_the_choice_is_fixed_and_differs_by_seed():
    rows = pl.DataFrame({"x": [float(i) for i in range(20)], "y": [0.5] * 20})
    assert split(rows, REGRESSION, 0.25, seed=0).test.tolist() == PINNED
    assert split(rows, REGRESSION, 0.25, seed=1).test.tolist() != PINNED


def test_the_last_or_the_first_rows():
    assert split(DF, PLAIN, 0.2, seed=0, how="last").test.tolist() == list(range(800, 1000))
    found = split(DF, PLAIN, 0.2, seed=0, train_rows=80)
    assert found.train.tolist() == list(range(80))
    assert "after the first 80" in found.how


def test_ten_rows_are_enough():
    df = pl.DataFrame({"x": range(10), "y": [True] + [False] * 9})
    found = split(df, PLAIN, 0.2, seed=0)
    assert 1 <= len(found.test) <= 5
    assert 0 in found.train.tolist()  # the only row of its class


@pytest.mark.parametrize(
    ("schema", "holdout", "options", "part"),
    [
        (PLAIN, "7d", {}, "data.time is not set"),
        (TIMED, "100d", {}, "less than the 41.6 days"),
        (PLAIN, 1.5, {}, "between 0 and 1"),
        (PLAIN, "soon", {}, "evaluate.holdout"),
        (PLAIN, 0.2, {"train_rows": 1000}, "from 1 to 999"),
        (PLAIN, 0.0001, {"how": "random"}, ""),
    ],
)
def test_what_cannot_be_split(schema, holdout, options, part):
    if not part:
        assert len(split(DF, schema, holdout, 0, **options).test) == 2  # one of each class
        return
    with pytest.raises(InvalidInput) as caught:
        split(DF, schema, holdout, 0, **options)
    assert part in caught.value.message


def _moved(before: pl.DataFrame, after: pl.DataFrame, schema: Schema, **options) -> set[float]:
    """The rows of ``before`` that test in one of the two and not in the other."""
    tests = [split(df, schema, 0.2, seed=3, **options).test.tolist() for df in (before, after)]
    one, other = before["x"][tests[0]], after["x"][tests[1]]
    return set(one) ^ (set(other) & set(before["x"]))


@pytest.mark.parametrize("schema", [PLAIN, REGRESSION], ids=["classes", "numbers"])
def test_new_rows_move_no_old_one(schema):
    assert _moved(DF.head(600), DF, schema) == set()
    assert _moved(DF.head(600), DF.sample(fraction=1.0, shuffle=True, seed=1), schema) == set()


def test_new_levels_and_types_move_no_old_row():
    text = pl.Series([f"v{i % 7}" for i in range(N)])
    df = DF.with_columns(c=text, k=pl.int_range(N))
    features = (
        Feature("x", "number"),
        Feature("c", "category", ("v0", "v1")),
        Feature("k", "number"),
    )
    before = Schema(features, "y", "binary", classes=(False, True))
    wider = msgspec.structs.replace(
        before, features=(features[0], Feature("c", "category", ("v5", "v0", "v2")), features[2])
    )
    one = split(df, before, 0.2, seed=0).test
    other = split(df.with_columns(pl.col("k").cast(pl.Float64)), wider, 0.2, seed=0).test
    assert one.tolist() == other.tolist()


def test_an_id_decides_alone():
    schema = msgspec.structs.replace(PLAIN, id="k")
    df = DF.with_columns(k=pl.format("row {}", pl.int_range(N)))
    one = split(df, schema, 0.2, seed=0).test.tolist()
    assert split(df.with_columns(x=pl.col("x") * 2), schema, 0.2, seed=0).test.tolist() == one
    assert 150 < len(one) < 250


def test_groups_stay_whole_and_do_not_move():
    df = DF.with_columns(g=pl.int_range(N) % 40)
    found = split(df, PLAIN, 0.25, seed=2, group_by="g")
    groups = df["g"].to_numpy()
    assert whole(found)
    assert not set(groups[found.test]) & set(groups[found.train])
    assert found.how.endswith("whole g")
    more = pl.concat([df, df.with_columns(g=pl.col("g") + 40)])
    again = split(more, PLAIN, 0.25, seed=2, group_by="g")
    assert [r for r in again.test.tolist() if r < N] == found.test.tolist()
    with pytest.raises(InvalidInput, match='Did you mean "g"'):
        split(df, PLAIN, 0.25, seed=2, group_by="gg")


def test_a_gap_is_left_out_before_the_test():
    found = split(DF, TIMED, "5d", seed=0, gap="2d")
    times = DF["t"]
    between = times[found.test.tolist()].min() - times[found.train.tolist()].max()
    assert between > timedelta(days=2)
    assert len(found.train) == N - 120 - 48
    assert "48 rows before them left out as a gap" in found.how
    with pytest.raises(InvalidInput, match=r"evaluate\.gap"):
        split(DF, TIMED, "5d", seed=0, gap="60d")


def test_by_time_the_groups_that_test_do_not_train():
    df = DF.with_columns(g=pl.int_range(N) // 4)
    found = split(df, TIMED, 0.2, seed=0, group_by="g")
    groups = df["g"].to_numpy()
    assert not set(groups[found.test]) & set(groups[found.train])
    assert len(found.test) == 200
    assert "left out" in found.how


@pytest.mark.parametrize("options", [{}, {"stratified": True}, {"group_by": "g"}])
def test_each_row_tests_once(options):
    df = DF.with_columns(g=pl.int_range(N) % 40)
    parts = k_fold(df, PLAIN, 5, 0, **options)
    assert sorted(np.concatenate([p.test for p in parts]).tolist()) == list(range(N))
    assert all(whole(p) for p in parts)
    shares = [df["y"].to_numpy()[p.test].mean() for p in parts]
    if "stratified" in options:
        assert np.ptp(shares) < 0.006
    if "group_by" in options:
        groups = df["g"].to_numpy()
        assert not any(set(groups[p.test]) & set(groups[p.train]) for p in parts)
    else:
        assert max(len(p.test) for p in parts) < 260


def test_new_rows_move_none_to_another_part():
    before, after = (k_fold(df, PLAIN, 4, 0) for df in (DF.head(500), DF))
    for one, other in zip(before, after, strict=True):
        assert other.test[other.test < 500].tolist() == one.test.tolist()


def test_forward_in_time_with_a_gap():
    times = DF["t"]
    parts = forward(DF, TIMED, 4, gap=86_400_000)
    assert len(parts) == 4
    for part in parts:
        between = times[part.test.tolist()].min() - times[part.train.tolist()].max()
        assert between > timedelta(days=1)
    tested = np.concatenate([p.test for p in parts])
    assert len(tested) == len(set(tested.tolist())) == 800
    with pytest.raises(InvalidInput, match=r"data\.time"):
        forward(DF, PLAIN, 4)


@pytest.mark.parametrize("schema", [PLAIN, TIMED], ids=["by hash", "by time"])
def test_nested_parts_never_see_the_outer_test(schema):
    found = nested(DF, schema, 3, 2, seed=0)
    assert len(found) == 3
    for part in found:
        assert len(part.inner) == 2
        for inner in part.inner:
            assert set(inner.train) | set(inner.test) <= set(part.outer.train)
            assert not set(inner.train) & set(inner.test)
            assert min(len(inner.train), len(inner.test)) > 20


def test_too_many_parts_are_refused():
    with pytest.raises(InvalidInput, match="fewer parts"):
        k_fold(DF.head(10), PLAIN, 50, 0)
