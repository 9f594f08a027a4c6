"""How wrong each answer was: what a change of the world shows in, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from everloop.data.rewards import REWARD
from everloop.evaluate.answers import Answers

SURE = 1e-3  # a probability counts as no smaller: one row must not weigh as a hundred


def row_losses(y: NDArray[Any], answers: Answers, numeric: bool) -> NDArray[np.float64]:
    """The loss of each of n rows; NaN where a version could not have known the label.

    Of numbers the absolute error; of classes ``-log p``, or 0 and 1 where no probabilities were
    given; of several labels the mean over them; of a bandit the reward that was missed, below 0.
    """
    if numeric:
        return np.abs(np.asarray(y, dtype=np.float64) - np.asarray(answers.pred, dtype=np.float64))
    proba = answers.proba
    if y.ndim == 2 and y.dtype.kind == "f":
        return np.asarray(-y[:, REWARD])
    if y.ndim == 2:
        if proba is None:
            return np.asarray((answers.pred != y).mean(axis=1))
        own = np.where(y > 0, proba, 1.0 - proba)
        return np.asarray(-np.log(np.clip(own, SURE, 1.0)).mean(axis=1))
    if proba is None:
        return np.asarray(answers.pred != y, dtype=np.float64)
    codes = np.asarray(y, dtype=np.int64)
    known = (codes >= 0) & (codes < proba.shape[1])
    own = proba[np.arange(len(codes)), np.where(known, codes, 0)]
    return np.where(known, -np.log(np.clip(own, SURE, 1.0)), np.nan)
