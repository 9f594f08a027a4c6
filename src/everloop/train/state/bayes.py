"""Naive Bayes: its sums go on, and forget."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from everloop.train.estimators.naive_bayes import NaiveBayes
from everloop.train.state._base import About, Learner, Lesson, packed, unpacked

FILE = "counts.npz"
MEMORY = {"all rows alike": 1.0, "old rows at a half": 0.5, "old rows at a tenth": 0.1}


class BayesLearner(Learner):
    """``partial_fit`` on the new rows, after the sums of the old ones were scaled.

    It needs no replay: the sums are what the old rows said. With all rows alike the model is the
    one that a fit on old and new rows together makes.
    """

    ways: ClassVar[tuple[str, ...]] = tuple(MEMORY)

    def saved(self, model: Any) -> dict[str, bytes]:
        sums = model.sums_
        names = ("counts", "means", "deviations", "numbers")
        return {FILE: packed({name: getattr(sums, name) for name in names})}

    def loaded(self, files: Mapping[str, bytes], about: About) -> Any:
        params = {k: float(v) for k, v in about.params.items() if k in ("var_smoothing", "alpha")}
        return NaiveBayes(**params).of_sums(unpacked(files[FILE]), np.array(about.codes))

    def learn(self, model: Any, way: str, lesson: Lesson, about: About) -> Any:
        made = copy.deepcopy(model)
        made.sums_.counts *= MEMORY[way]
        made.sums_.deviations *= MEMORY[way]
        return made.partial_fit(lesson.X, lesson.y)
