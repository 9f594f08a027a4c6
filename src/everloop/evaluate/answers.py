"""What a model answered on some rows, as values that metrics and gates read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Answers:
    """Answers of one model on n rows.

    Attributes
    ----------
    pred : codes into ``schema.classes`` (int64) or floats, n.
    proba : probabilities, n by k in the order of ``schema.classes``; None for regression.
    """

    pred: np.ndarray
    proba: np.ndarray | None = None
