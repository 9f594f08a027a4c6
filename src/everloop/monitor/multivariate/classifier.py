"""Whether a model can tell which sample a row came from."""

from __future__ import annotations

import importlib
import math

import numpy as np
import scipy
from numpy.typing import NDArray

from everloop.extensions import multivariate_tests
from everloop.monitor.drift._base import Shift
from everloop.monitor.multivariate._base import FEW, MultivariateTest, Together, one_direction
from everloop.monitor.multivariate.matrix import Floats, Matrix

FOLDS = 4
TREES = 100
TOLERANCE = 0.01  # of the area, that no real stream is without


@multivariate_tests.register("classifier")
class ClassifierTwoSample(MultivariateTest):
    """Classifier two-sample test (Lopez-Paz & Oquab, ICLR 2017) with extremely randomised trees.

    Each fold, a stretch of consecutive rows of both samples, is scored by trees that were fitted
    on the others: rows next to each other are alike, and would give the answer away. The
    statistic is the mean area under the ROC curve, whose error is that of Mann and Whitney's test
    (Ann. Math. Stat. 1947); the effect is 2 · area - 1. scikit-learn is imported when it is asked
    for, so that who watches without it need not hold it.
    """

    def compare(self, reference: Matrix, window: Matrix) -> Together | None:
        if min(reference.rows, window.rows) < FEW or not reference.features:
            return None
        X = np.vstack([reference.values, window.values])
        y = np.repeat([0, 1], [reference.rows, window.rows])
        fold = np.concatenate([_fold(reference.rows), _fold(window.rows)])
        ensemble = importlib.import_module("sklearn.ensemble")
        areas = []
        for held in range(FOLDS):
            test = fold == held
            model = ensemble.ExtraTreesClassifier(
                TREES,
                min_samples_leaf=5,
                max_features=None,
                class_weight="balanced",
                random_state=0,
            )
            model.fit(X[~test], y[~test])
            areas.append(_area(y[test], model.predict_proba(X[test])[:, 1]))
        area = float(np.mean(areas))
        draws_before = max(1.0, reference.rows / reference.per_draw)
        draws_now = max(1.0, window.rows / window.per_draw)
        error = math.sqrt((draws_before + draws_now + 1) / (12 * draws_before * draws_now))
        score = (area - 0.5) / error
        p_value = float(scipy.special.ndtr(-max(0.0, area - 0.5 - TOLERANCE) / error))
        draws = draws_before * draws_now / (draws_before + draws_now)
        summary = f"a model tells the window's rows apart with an area of {area:.2f}"
        shift = Shift(area, max(0.0, 2 * area - 1), min(1.0, 2 * p_value), draws, summary)
        return Together(shift, one_direction("classifier", score, reference, window))


def _area(y: NDArray[np.intp], scores: Floats) -> float:
    """The area under the ROC curve: the share of pairs in order, ties half."""
    first, second = np.sort(scores[y == 0]), scores[y == 1]
    below = np.searchsorted(first, second, side="left")
    upto = np.searchsorted(first, second, side="right")
    return float((below + upto).mean() / (2 * len(first)))


def _fold(rows: int) -> NDArray[np.intp]:
    return np.arange(rows, dtype=np.intp) * FOLDS // rows
