from __future__ import annotations

import numpy as np
import pytest

from everloop.monitor.drift.embedding import Embedding
from everloop.monitor.summaries.vectors import SAMPLE, VectorSummary, sketch_vectors
from everloop.monitor.vectors import WIDE, projection


def rows(n: int, size: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size)) * np.arange(1, size + 1)


def summary(values: np.ndarray) -> VectorSummary:
    made = VectorSummary()
    made.add(values)
    return made


@pytest.mark.parametrize("size", [6, 100])
def test_parts_merge_to_the_exact_moments_of_the_whole(size: int) -> None:
    values = rows(3_000, size)
    whole = VectorSummary()
    for part in np.split(values, [1_000, 1_100]):
        whole.merge(VectorSummary.of(summary(part).state()))
    seen = values @ projection(size)
    assert whole.n == 3_000
    assert whole.mean == pytest.approx(seen.mean(axis=0))
    assert whole.sketch().spread == pytest.approx(np.cov(seen.T, bias=True), rel=1e-5, abs=1e-4)
    assert whole.sketch().kept.shape == (SAMPLE, min(size, WIDE))


def test_a_sketch_has_one_size_however_many_rows_and_numbers() -> None:
    small, large = (sketch_vectors(rows(n, size)) for n, size in ((300, 40), (3_000, 200)))
    assert len(large.sample) == len(small.sample)
    assert len(large.covariance) == len(small.covariance)


def test_the_sample_of_merged_parts_is_drawn_from_both_evenly() -> None:
    one, two = summary(rows(4_000)), summary(rows(4_000, seed=1) + 1_000)
    one.merge(two)
    share = (one.sample[:, 0] > 500).mean()
    assert 0.35 < share < 0.65


def test_broken_vectors_and_those_of_another_size_are_missing() -> None:
    values = rows(10)
    values[3, 2] = np.nan
    made = summary(values)
    made.add(rows(5, 7))
    assert (made.n, made.missing, made.rows) == (9, 6, 15)
    assert VectorSummary().sketch().n == 0
    assert Embedding().compare(VectorSummary().sketch(), made.sketch()) is None


def test_a_private_state_keeps_no_vector() -> None:
    kept = VectorSummary.of(summary(rows(500)).state(private=True))
    assert (kept.n, len(kept.sample)) == (500, 0)
    moved = Embedding().compare(kept.sketch(), sketch_vectors(rows(500, seed=1) + 2))
    assert moved is not None
    assert moved.p_value < 1e-9


def test_distances_survive_the_projection() -> None:
    values = np.random.default_rng(2).normal(size=(60, 384))
    before = np.linalg.norm(values[:30] - values[30:], axis=1)
    after = np.linalg.norm((values[:30] - values[30:]) @ projection(384), axis=1)
    assert np.abs(after / before - 1).mean() < 0.15


def test_no_drift_is_called_seldom_and_a_small_shift_always() -> None:
    reference = sketch_vectors(rows(2_000, 40))
    quiet = [Embedding().compare(reference, sketch_vectors(rows(400, 40, s))) for s in range(1, 41)]
    assert sum(found is not None and found.p_value < 0.05 for found in quiet) <= 5
    shifted = Embedding().compare(reference, sketch_vectors(rows(400, 40, 50) + 4))
    assert shifted is not None
    assert shifted.p_value < 1e-6
    assert shifted.effect > 0.1
