from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.monitor.counting import Counting
from everloop.monitor.profile import CategorySketch, NumberSketch, Profile, profile

SCHEMA = Schema((Feature("x", "number"), Feature("c", "category", ("a", "b"))), "y", "regression")


def rows(n: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    x[::11] = np.nan
    return pl.DataFrame({"x": x, "c": rng.choice(["a", "b", "new"], n)})


@pytest.fixture(scope="module")
def reference() -> Profile:
    return profile(rows(20_000, 0), SCHEMA)


def test_workers_count_apart_and_are_told_together(reference: Profile) -> None:
    now = rows(30_000, 1)
    workers = [Counting(reference) for _ in range(3)]
    for place, batch in enumerate(now.iter_slices(1_000)):
        workers[place % 3].add(batch)
    told = (workers[0] + workers[1] + workers[2]).profile()
    alone = Counting(reference)
    alone.add(now)
    whole = alone.profile()
    x, other = told.features["x"], whole.features["x"]
    assert isinstance(x, NumberSketch)
    assert isinstance(other, NumberSketch)
    assert (x.points, x.below, x.upto, x.missing) == (
        other.points,
        other.below,
        other.upto,
        other.missing,
    )
    values = now["x"].to_numpy()
    kept = values[np.isfinite(values)]
    assert list(x.upto[1:-1]) == [int((kept <= p).sum()) for p in x.points[1:-1]]
    c = told.features["c"]
    assert isinstance(c, CategorySketch)
    assert (c.counts, c.unseen) == (
        tuple(int((now["c"] == level).sum()) for level in c.levels),
        int((now["c"] == "new").sum()),
    )
    assert c.examples == ("new",)


def test_what_lies_elsewhere_and_what_is_absent_is_counted(reference: Profile) -> None:
    counting = Counting(reference)
    counting.add(pl.DataFrame({"x": [1e6, 0.0, None, float("inf")]}))
    assert counting.outside("x") == 0.5
    told = counting.profile()
    x, c = told.features["x"], told.features["c"]
    assert isinstance(x, NumberSketch)
    assert (x.n, x.missing, x.infinite, x.points[-1]) == (2, 1, 1, 1e6)
    assert (c.n, c.missing, told.rows) == (0, 4, 4)


def test_counts_of_two_references_do_not_add(reference: Profile) -> None:
    other = profile(rows(20_000, 5), SCHEMA)
    with pytest.raises(ValueError, match="two references"):
        Counting(reference) + Counting(other)
