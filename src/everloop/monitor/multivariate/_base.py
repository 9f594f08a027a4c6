"""What a test of all features together promises.

It compares a sample of the reference's rows with a sample of the window's, as two matrices of the
same columns (see ``matrix``), and finds what no feature shows alone, such as two features that no
longer go together. It keeps no state, draws with a fixed seed if it draws at all, and must not
raise for few rows or constant columns: it returns None, which means "cannot tell". To add one,
write a class in a file of its own and register it:

    @multivariate_tests.register("my_test")
    class MyTest(MultivariateTest): ...
"""

from __future__ import annotations

import math
from typing import NamedTuple

from everloop.monitor.deviations import Deviations, Plain
from everloop.monitor.drift._base import Shift
from everloop.monitor.multivariate.matrix import Matrix

FEW = 50  # rows that a sample of either side needs


class Together(NamedTuple):
    """What a test says, and where bets can be placed on it."""

    shift: Shift
    deviations: Deviations


class MultivariateTest:
    """Base class."""

    def compare(self, reference: Matrix, window: Matrix) -> Together | None:
        """The difference, or None when there is too little to tell."""
        raise NotImplementedError


def one_direction(name: str, score: float, reference: Matrix, window: Matrix) -> Deviations:
    """Of a statistic whose ``score`` is standard normal when nothing moved."""
    draws = max(1.0, window.rows / window.per_draw)
    doubt = reference.doubt
    away = score * math.sqrt(1 / draws + doubt**2)
    return Deviations((Plain(name, 1.0, away),), draws, doubt)
