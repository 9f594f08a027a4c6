"""Values that a quantile sketch takes a block at a time."""

from __future__ import annotations

import numpy as np
import pytest
from datasketches import kll_doubles_sketch

from everloop.monitor.summaries.quantiles import add_values

RNG = np.random.default_rng(0)
ROWS = 300_000
STREAMS = {
    "normal": RNG.standard_normal(ROWS),
    "heavy": RNG.standard_cauchy(ROWS),
    "rising": np.arange(float(ROWS)),
    "falling": np.arange(float(ROWS), 0, -1),
    "few values": np.round(RNG.standard_normal(ROWS) * 3),
    "one value": np.full(ROWS, 7.0),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("k", [256, 1024])
def test_ranks_are_within_the_bound_of_the_sketch(name: str, k: int) -> None:
    values, sketch = STREAMS[name], kll_doubles_sketch(k)
    for part in np.array_split(values, 4):  # blocks, and what is left of each part
        add_values(sketch, part)
    assert sketch.n == ROWS
    assert (sketch.get_min_value(), sketch.get_max_value()) == (values.min(), values.max())
    points = np.unique(np.quantile(values, np.linspace(0, 1, 200)))
    for inclusive, side in ((True, "right"), (False, "left")):
        exact = np.searchsorted(np.sort(values), points, side=side) / ROWS
        told = np.array([sketch.get_rank(point, inclusive) for point in points])
        assert np.abs(told - exact).max() <= sketch.normalized_rank_error(False)


def test_ranks_are_wrong_by_less_than_one_value_after_another_makes_them() -> None:
    values = STREAMS["normal"]
    points = np.quantile(values, np.linspace(0.01, 0.99, 99))
    exact = np.searchsorted(np.sort(values), points, side="right") / ROWS

    def worst(sketch: kll_doubles_sketch) -> float:
        told = np.array([sketch.get_rank(point, True) for point in points])
        return float(np.abs(told - exact).max())

    blocks, single = [], []
    for _ in range(10):
        one, other = kll_doubles_sketch(256), kll_doubles_sketch(256)
        add_values(one, values)
        other.update(values)
        blocks.append(worst(one))
        single.append(worst(other))
    assert np.mean(blocks) < np.mean(single)


def test_what_it_makes_is_written_read_and_merged_as_any() -> None:
    values = STREAMS["normal"]
    whole, other = kll_doubles_sketch(1024), kll_doubles_sketch(1024)
    add_values(whole, values[:200_000])
    other.update(values[200_000:])
    again = kll_doubles_sketch.deserialize(whole.serialize())
    again.merge(other)
    assert again.n == ROWS
    assert again.get_quantile(0.5) == pytest.approx(float(np.median(values)), abs=0.02)


def test_a_few_values_are_all_kept() -> None:
    sketch = kll_doubles_sketch(1024)
    add_values(sketch, np.arange(100.0)[::2])  # not beside each other in memory
    assert sketch.n == sketch.num_retained == 50
