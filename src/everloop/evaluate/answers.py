"""What a model answered on some rows, as values that metrics and gates read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Answers:
    """Answers of one model on n rows.

    Attributes
    ----------
    pred : codes into ``schema.classes`` (int64) or floats, n; of several labels a row 0 and 1,
        n by k.
    proba : probabilities, n by k in the order of ``schema.classes``; None for regression.
    """

    pred: np.ndarray
    proba: np.ndarray | None = None

    def on(self, rows: np.ndarray) -> Answers:
        """Those to some of the rows, by numbers or n booleans."""
        return Answers(self.pred[rows], None if self.proba is None else self.proba[rows])
