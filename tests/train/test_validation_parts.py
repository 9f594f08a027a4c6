"""Rows that belong together never fit and validate."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.errors import InvalidInput
from everloop.train.validation import folds

RNG = np.random.default_rng(0)


def parts(n: int, together: np.ndarray, time_ordered: bool = False):
    y = RNG.integers(0, 2, n)
    return folds(y, classification=True, time_ordered=time_ordered, seed=0, together=together)


@pytest.mark.parametrize("n", [600, 3000])
def test_groups_stay_whole(n: int) -> None:
    together = RNG.integers(0, 40, n)
    found = parts(n, together)
    assert len(found) == (5 if n < 2000 else 1)
    for fit, rows in found:
        assert not set(together[fit]) & set(together[rows])
        assert len(fit) + len(rows) == n
        assert 0.15 * n < len(rows) < 0.25 * n


def test_by_time_the_groups_that_validate_do_not_fit() -> None:
    together = np.arange(600) // 50
    together[300:310] = 11  # an early visit of one that comes late
    for fit, rows in parts(600, together, time_ordered=True):
        assert not set(together[fit]) & set(together[rows])
        assert fit.max() < rows.min()


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(InvalidInput, match="two or more"):
        parts(100, np.zeros(100))
    with pytest.raises(InvalidInput, match="groups that end"):
        parts(600, np.zeros(600), time_ordered=True)
