"""What metrics of several labels a row share: y and answers are n by k of 0 and 1."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from everloop.data.schema import Task
from everloop.evaluate.metrics._base import MomentMetric
from everloop.evaluate.metrics._confusion import ratio

MULTILABEL: frozenset[Task] = frozenset({"multilabel"})


class LabelMetric(MomentMetric):
    """A metric of rows with several labels each; intervals resample whole rows."""

    tasks: ClassVar[frozenset[Task]] = MULTILABEL


def label_f1(right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """``2 TP / (2 TP + FP + FN)``; 0 where a label neither occurs nor is answered."""
    return ratio(2 * right, predicted + actual)


def varying(y: np.ndarray) -> np.ndarray:
    """The labels that some rows have and others have not; only these can be ranked by."""
    counts = y.sum(axis=0)
    return np.flatnonzero((counts > 0) & (counts < len(y)))


def no_label_varies(y: np.ndarray) -> str | None:
    """The reason why nothing can be said about telling labels apart."""
    if len(y) == 0:
        return "there are no rows"
    return None if len(varying(y)) else "no label differs between the rows"
