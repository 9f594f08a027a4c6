"""Area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics._base import CLASSIFICATION, Metric, one_class
from everloop.evaluate.metrics._labels import MULTILABEL, no_label_varies, varying
from everloop.extensions import metrics

DRAWS = 10_000


@metrics.register("roc_auc")
class RocAuc(Metric):
    """The chance that a random positive row scores above a random negative one, ties half.

    By ranks. With more than two classes: each class against the rest, averaged over the classes
    that occur; of several labels a row the mean of the labels'. The variance, and the covariance
    of two models on the same rows, is that of DeLong, DeLong and Clarke-Pearson (1988), through
    the placements of Sun and Xu (2014).
    """

    tasks = CLASSIFICATION | MULTILABEL
    needs_probabilities = True

    def undefined(self, y: np.ndarray) -> str | None:
        return no_label_varies(y) if y.ndim == 2 else one_class(y)

    def function(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        assert proba is not None
        if self.undefined(y):
            return float("nan")
        return float(np.mean([_area(positive, score) for positive, score in _sides(y, proba)]))

    def draws(
        self, y: np.ndarray, answers: Sequence[Answers], rng: np.random.Generator
    ) -> np.ndarray:
        """From the normal distribution that DeLong's covariance describes."""
        found = [_auc_and_influence(y, a.proba) for a in answers if a.proba is not None]
        values = np.array([value for value, _ in found])
        influence = np.column_stack([row for _, row in found])
        spread, axes = np.linalg.eigh(influence.T @ influence)
        root = axes * np.sqrt(np.clip(spread, 0.0, None))
        noise = rng.standard_normal((DRAWS // 2, len(values)))
        return np.asarray(values + np.vstack([noise, -noise]) @ root.T)


def _auc_and_influence(y: np.ndarray, proba: np.ndarray) -> tuple[float, np.ndarray]:
    """The area, and by how much each row moves it; the squares sum to DeLong's variance."""
    parts = [_binary(positive, score) for positive, score in _sides(y, proba)]
    area = float(np.mean([value for value, _ in parts]))
    return area, np.mean([influence for _, influence in parts], axis=0)


def _sides(y: np.ndarray, proba: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is told apart by which score: each label of several, or each class from the rest."""
    if y.ndim == 2:
        return [(y[:, c] == 1, proba[:, c]) for c in varying(y)]
    k = proba.shape[1]
    codes = [1] if k == 2 else [c for c in range(k) if 0 < np.sum(y == c) < len(y)]
    return [(y == c, proba[:, c]) for c in codes]


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    m, n = int(positive.sum()), int((~positive).sum())
    return float((midranks(score)[positive].sum() - m * (m + 1) / 2) / (m * n))


def _binary(positive: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    m, n = int(positive.sum()), int((~positive).sum())
    ranks = midranks(score)
    below = (ranks[positive] - midranks(score[positive])) / n
    above = 1.0 - (ranks[~positive] - midranks(score[~positive])) / m
    area = float(below.mean())
    influence = np.empty(len(score))
    influence[positive] = (below - area) / np.sqrt(m * max(m - 1, 1))
    influence[~positive] = (above - area) / np.sqrt(n * max(n - 1, 1))
    return area, influence


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[inverse])
