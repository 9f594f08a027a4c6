"""Sampled Shapley values: exact where theory says so, near it elsewhere, at a bounded cost."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from everloop.deploy.attribution import background_rows, read_background, shapley

RNG = np.random.default_rng(0)
BACKGROUND = RNG.normal(size=(32, 5))
ROWS = RNG.normal(size=(3, 5))
SPANS = [slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 5)]
WEIGHTS = np.array([1.0, -2.0, 0.5, 0.0, 3.0])


def linear(X: np.ndarray) -> np.ndarray:
    return X @ WEIGHTS


def tangled(X: np.ndarray) -> np.ndarray:
    return np.tanh(X @ WEIGHTS) * (1 + X[:, 1]) + X[:, 3] * X[:, 4]


def by_definition(output: object, row: np.ndarray) -> np.ndarray:
    """All coalitions, with their weights."""
    d = len(SPANS)

    def worth(some: tuple[int, ...]) -> float:
        mixed = BACKGROUND.copy()
        for feature in some:
            mixed[:, SPANS[feature]] = row[SPANS[feature]]
        return float(output(mixed).mean())  # type: ignore[operator]

    out = np.zeros(d)
    for i in range(d):
        others = [j for j in range(d) if j != i]
        for size in range(d):
            weight = math.factorial(size) * math.factorial(d - size - 1) / math.factorial(d)
            for some in combinations(others, size):
                out[i] += weight * (worth((*some, i)) - worth(some))
    return out


def test_equal_rows_are_asked_once_and_missing_values_are_equal() -> None:
    asked: list[int] = []

    def counting(X: np.ndarray) -> np.ndarray:
        asked.append(len(X))
        return np.asarray(np.nan_to_num(X).sum(axis=1))

    background = np.column_stack([np.full(8, np.nan), np.arange(8.0)])
    spans = [slice(0, 1), slice(1, 2)]
    found = shapley(counting, np.array([[1.0, 3.0]]), background, spans, evaluations=4_000)
    assert max(asked) <= 8 * 2**2
    np.testing.assert_allclose(found.values, [[1.0, 3.0 - np.arange(8.0).mean()]])


def test_a_linear_model_is_explained_exactly() -> None:
    found = shapley(linear, ROWS, BACKGROUND, SPANS, evaluations=2 * 4 * len(BACKGROUND))
    moved = (ROWS - BACKGROUND.mean(axis=0)) * WEIGHTS
    want = np.column_stack([moved[:, span].sum(axis=1) for span in SPANS])
    np.testing.assert_allclose(found.values, want, atol=1e-12)


def test_any_model_adds_up_and_comes_near_the_definition() -> None:
    found = shapley(tangled, ROWS, BACKGROUND, SPANS, evaluations=20_000)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.answers, atol=1e-10)
    want = np.array([by_definition(tangled, row) for row in ROWS])
    assert np.abs(found.values - want).max() < 0.05


@pytest.mark.parametrize("features", [2, 40, 3_000])
def test_the_cost_is_bounded(features: int) -> None:
    asked = 0

    def counting(X: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(X)
        return X[:, 0]

    spans = [slice(i, i + 1) for i in range(features)]
    shapley(counting, np.ones((1, features)), np.zeros((8, features)), spans, evaluations=1_000)
    assert asked <= max(1_000, 2 * features) * (features + 1) / features + 20


def test_the_background_is_small_and_comes_back() -> None:
    wide = np.ones((100, 100_000))
    assert len(background_rows(wide)) < 5 << 20
    np.testing.assert_array_equal(read_background(background_rows(ROWS)), ROWS)
