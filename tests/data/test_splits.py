"""Held-out rows: the newest where there is a time, the same ones every time elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.data.splits import split
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
    assert abs(y[found.test].mean() - y.mean()) < 0.002
    assert abs(len(found.test) - 300) <= 1


def test_the_order_of_the_file_does_not_matter():
    shuffled = DF.sample(fraction=1, shuffle=True, seed=5)
    for schema in (PLAIN, REGRESSION):
        one = DF["x"][split(DF, schema, 0.2, seed=7).test.tolist()]
        other = shuffled["x"][split(shuffled, schema, 0.2, seed=7).test.tolist()]
        assert set(one) == set(other)


PINNED = [5, 7, 9, 10, 19]


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
    assert len(found.test) == 2
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
