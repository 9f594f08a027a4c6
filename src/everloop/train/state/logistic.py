"""Logistic regression: some steps of its optimiser from where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression

from everloop.errors import invalid
from everloop.train.state._base import About, Learner, Lesson, packed, unpacked

FILE = "weights.npz"
STEPS = 30  # of L-BFGS
WORTH = {"old rows in full": 1.0, "old rows at a tenth": 0.1}


class LogisticLearner(Learner):
    """Steps of L-BFGS on the weighted rows of the lesson, from the weights as they are.

    How much an old row still counts is what the ways differ in.
    """

    ways: ClassVar[tuple[str, ...]] = tuple(WORTH)

    def saved(self, model: Any) -> dict[str, bytes]:
        return {FILE: packed({"coef": model.coef_, "intercept": model.intercept_})}

    def loaded(self, files: Mapping[str, bytes], about: About) -> Any:
        arrays = unpacked(files[FILE])
        model = LogisticRegression(C=float(about.params.get("C", 1.0)), warm_start=True)
        model.set_params(max_iter=STEPS)
        model.coef_, model.intercept_ = arrays["coef"], arrays["intercept"]
        model.classes_ = np.asarray(about.codes, dtype=np.int64)
        model.n_features_in_ = model.coef_.shape[1]
        model.n_iter_ = np.zeros(1, dtype=np.int32)
        return model

    def learn(self, model: Any, way: str, lesson: Lesson, about: About) -> Any:
        X, y, weights = lesson.both(WORTH[way])
        met = np.unique(y).astype(np.int64).tolist()
        if met != about.codes:
            wanted = f"rows of all its classes {about.codes}"
            raise invalid("rows", met, wanted, fix="Retrain: a new fit takes what there is.")
        made = self.loaded(self.saved(model), about)
        return made.fit(X, y, sample_weight=weights)
