"""Gradient boosted trees, by the faster of the libraries."""

from __future__ import annotations

from everloop.extensions import candidates
from everloop.train.candidates.lightgbm import LightGBM


@candidates.register("gradient_boosting")
class GradientBoosting(LightGBM):
    """``F ← F + η tree(-∂loss/∂F)`` (Friedman, 2001): the plain name of ``lightgbm``.

    scikit-learn's is ``hist_gradient_boosting``.
    """
