"""CBPE, and PAPE once the held-out rows show that it makes a difference."""

from __future__ import annotations

import numpy as np

from everloop.extensions import estimators
from everloop.monitor.estimation._base import Rows
from everloop.monitor.estimation.heldout import Floats, HeldOut
from everloop.monitor.estimation.methods.calibration import calibrate
from everloop.monitor.estimation.methods.pape import PAPE

SURPRISING = 3.0  # standard errors


@estimators.register("adaptive")
class Adaptive(PAPE):
    """The calibration of all held-out rows, unless it fails on those that are like the window's.

    Under the weights of :class:`PAPE` the calibrated probabilities either still say how often
    answers are right, and then weighting only adds variance; or they do not by three
    standard errors, for some answer, and then the weighted calibration takes their place; unless
    the weights are not to be believed.
    """

    def relevance(self, held: HeldOut, rows: Rows) -> tuple[Floats, list[str]]:
        weights, doubts = super().relevance(held, rows)
        if doubts or not _fails(held, weights):
            return np.ones(len(held)), doubts
        return weights, doubts


def _fails(held: HeldOut, weights: Floats) -> bool:
    """Whether right answers are more or less frequent among the weighted rows than expected."""
    assert held.proba is not None
    c = calibrate(held.proba, held.y, np.ones(len(held)))(held.proba)
    answered = held.pred.astype(np.int64)
    away = (held.y == held.pred) - c[np.arange(len(held)), answered]
    sums = np.bincount(answered, weights * away)
    errors = np.sqrt(np.bincount(answered, (weights * away) ** 2))
    return bool(np.any(np.abs(sums) > SURPRISING * np.maximum(errors, 1e-12)))
