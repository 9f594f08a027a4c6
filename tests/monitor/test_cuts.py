from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from everloop.data.schema import Feature, Schema
from everloop.monitor.cuts import CHUNK, Cuts, profile_against
from everloop.monitor.drift.kolmogorov_smirnov import largest_gap
from everloop.monitor.profile import NumberSketch, profile, sketch_number

finite = st.floats(-1e100, 1e100)
mixed = st.lists(st.one_of(st.integers(-3, 3).map(float), finite), min_size=1, max_size=60)


@given(mixed, mixed)
@example([0.0, 1.2752434245633766e-235], [0.0])
@example([0.0, 5e-324], [0.0, 1.0])
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_the_sorted_values(before: list[float], now: list[float]) -> None:
    cuts = Cuts(sketch_number(np.array(before)))
    values = np.array(now)
    counts = cuts.count(values)
    points = np.asarray(cuts.reference.points)
    upto = np.cumsum(counts.within[:-1] + counts.at)
    assert upto.tolist() == [int((values <= p).sum()) for p in points]
    assert (upto - counts.at).tolist() == [int((values < p).sum()) for p in points]
    assert counts.n == len(values)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_what_is_missing_infinite_and_far_out_leaves_the_moments_right(
    exact: bool, missing: float
) -> None:
    rng = np.random.default_rng(1)
    draw = rng.poisson if exact else rng.gamma
    values = draw(3.0, size=CHUNK + 500).astype(np.float64)
    values[rng.random(len(values)) < missing] = np.nan
    values[:5] = np.inf, -np.inf, -np.inf, 1e9, -40.0
    values[5:7] = values[7] - 1e-4, values[7] + 1e-4  # near a point, or near the first cell
    cuts = Cuts(sketch_number(draw(3.0, size=20_000).astype(np.float64)))
    counts, kept = cuts.count(values), values[np.isfinite(values)]
    assert (counts.n, counts.infinite) == (len(kept), 3)
    assert counts.missing == int(np.isnan(values).sum())
    assert (counts.low, counts.high) == (-40.0, 1e9)
    told = cuts.sketch(counts)
    assert told.mean == pytest.approx(kept.mean(), rel=1e-9)
    assert told.sd == pytest.approx(kept.std(), rel=1e-9)


@pytest.mark.parametrize("shape", ["normal", "heavy", "few"])
def test_counts_merge_by_addition_to_what_one_pass_finds(shape: str) -> None:
    rng = np.random.default_rng(3)
    draw = {
        "normal": lambda n: rng.normal(size=n),
        "heavy": lambda n: rng.standard_cauchy(n),
        "few": lambda n: rng.poisson(3, n).astype(np.float64),
    }[shape]
    values = draw(2 * CHUNK + 17)
    values[::13], values[5] = np.nan, np.inf
    cuts = Cuts(sketch_number(draw(20_000)))
    whole = cuts.sketch(cuts.count(values))
    parts = cuts.count(values[:7_000]) + cuts.count(values[7_000:])
    merged = cuts.sketch(parts)
    assert (merged.below, merged.upto) == (whole.below, whole.upto)
    assert merged.points == whole.points
    kept = values[np.isfinite(values)]
    assert (whole.n, whole.missing, whole.infinite) == (len(kept), int(np.isnan(values).sum()), 1)
    assert merged.mean == pytest.approx(kept.mean())
    assert merged.sd == pytest.approx(kept.std())
    assert largest_gap(whole, sketch_number(values)) < 1 / 64


def test_one_value_and_none_make_sound_sketches() -> None:
    cuts = Cuts(sketch_number(np.arange(1_000.0)))
    alone = cuts.sketch(cuts.count(np.full(9, 0.5)))
    assert (alone.points, alone.below, alone.upto) == ((0.5,), (0,), (9,))
    assert cuts.sketch(cuts.count(np.array([np.nan]))).n == 0
    constant = Cuts(sketch_number(np.full(5, 2.0)))
    assert constant.count(np.array([1.0, 2.0, 3.0])).within.tolist() == [1, 1]


def test_a_window_far_from_its_reference_keeps_a_shape_of_its_own() -> None:
    rng = np.random.default_rng(0)
    schema = Schema((Feature("x", "number"),), "y", "regression")
    reference = profile(pl.DataFrame({"x": rng.normal(size=30_000)}), schema)
    near = pl.DataFrame({"x": rng.normal(size=20_000)})
    far = near * 1_000
    counted = profile_against(near, schema, reference).features["x"]
    assert isinstance(counted, NumberSketch)
    assert set(counted.points[1:-1]) <= set(reference.features["x"].points)
    assert profile_against(far, schema, reference) == profile(far, schema)
