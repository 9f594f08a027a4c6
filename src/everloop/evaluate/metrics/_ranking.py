"""What metrics of rankings share: they judge a group of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import ClassVar

import numpy as np

from everloop.data.schema import Task
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics._base import RESAMPLES, Metric

TOP = 10  # places of a list that people look at


class RankingMetric(Metric):
    """The mean, over the groups in which something is relevant, of a value of each group.

    ``y`` is the relevance of n rows; :meth:`grouped` says which belong together, else all do. Rows
    of equal score count in the order that is worst for the metric, so that a constant answer gains
    nothing. Intervals resample groups, since rows of a group depend on each other.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"ranking"})
    _groups: np.ndarray | None = None

    def grouped(self, groups: np.ndarray) -> RankingMetric:
        found = copy(self)
        found._groups = groups
        return found

    def of_group(self, relevance: np.ndarray) -> float:
        """The value of relevances in the order of the answer, best first; some are above 0."""
        raise NotImplementedError

    def undefined(self, y: np.ndarray) -> str | None:
        return None if np.any(y > 0) else "no row is relevant"

    def function(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        values = self._values(y, pred)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    def draws(
        self, y: np.ndarray, answers: Sequence[Answers], rng: np.random.Generator
    ) -> np.ndarray:
        table = np.column_stack([self._values(y, a.pred) for a in answers])
        table = table[~np.isnan(table).any(axis=1)]
        chosen = rng.integers(0, max(len(table), 1), (RESAMPLES, len(table)))
        return np.asarray(table[chosen].mean(axis=1))

    def _values(self, y: np.ndarray, pred: np.ndarray) -> np.ndarray:
        return np.array(
            [self.of_group(r) if np.any(r > 0) else np.nan for r in self._lists(y, pred)]
        )

    def _lists(self, y: np.ndarray, pred: np.ndarray) -> Iterator[np.ndarray]:
        groups = np.zeros(len(y)) if self._groups is None else self._groups
        order = np.lexsort((y, -pred, groups))
        edges = np.flatnonzero(np.diff(groups[order])) + 1
        yield from np.split(y[order], edges)
