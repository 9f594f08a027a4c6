"""Confidence-based performance estimation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from everloop.data.schema import Task
from everloop.extensions import estimators
from everloop.monitor.estimation._base import Belief, ClassBelief, Estimator, Rows
from everloop.monitor.estimation.heldout import Floats, HeldOut
from everloop.monitor.estimation.methods.calibration import calibrate


@estimators.register("cbpe")
class CBPE(Estimator):
    """A calibrated probability is how often a row's label is that class.

    The probabilities are calibrated on the held-out rows (:mod:`.calibration`); labels are drawn
    from them (Kivimäki, Białek, Kuberski & Nurminen, arXiv 2505.05295, 2025; after NannyML's
    method of this name). It holds while the inputs move so that calibration stays: for equal
    probabilities, labels as before.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"binary", "multiclass"})

    def believe(self, held: HeldOut, weights: Floats, rows: Rows) -> Belief:
        assert held.proba is not None and rows.proba is not None
        c = calibrate(held.proba, held.y, weights)(rows.proba)
        return ClassBelief(c, order_of(rows))


def order_of(rows: Rows) -> np.ndarray:
    """Alike rows side by side: by answer, then by its probability."""
    assert rows.proba is not None
    score = rows.proba[:, 1] if rows.proba.shape[1] == 2 else rows.proba.max(axis=1)
    return np.lexsort((score, rows.pred))
