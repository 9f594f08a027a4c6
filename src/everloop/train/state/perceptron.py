"""The small network of scikit-learn: some passes over old and new rows together."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from everloop.errors import invalid
from everloop.train.state._base import About, Learner, Lesson, packed, unpacked

FILE = "weights.npz"
PASSES = 6
RATES = {"a tenth of the rate": 0.1, "the full rate": 1.0}  # of the full fit
BATCH = 200  # rows


class PerceptronLearner(Learner):
    """``partial_fit`` in passes over as many old rows as new ones, in batches that have both."""

    ways: ClassVar[tuple[str, ...]] = tuple(RATES)

    def saved(self, model: Any) -> dict[str, bytes]:
        arrays = {f"coef.{i}": w for i, w in enumerate(model.coefs_)}
        return {FILE: packed(arrays | {f"bias.{i}": b for i, b in enumerate(model.intercepts_)})}

    def loaded(self, files: Mapping[str, bytes], about: About) -> Any:
        arrays = unpacked(files[FILE])
        layers = range(len(arrays) // 2)
        coefs = [arrays[f"coef.{i}"] for i in layers]
        settings = {
            "hidden_layer_sizes": tuple(w.shape[1] for w in coefs[:-1]),
            "alpha": float(about.params.get("alpha", 1e-4)),
            "learning_rate_init": float(about.params.get("learning_rate_init", 1e-3)),
            "random_state": 0,  # of weights that are replaced
            "batch_size": BATCH,
        }
        rows = np.zeros((max(2, len(about.codes)), coefs[0].shape[0]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a batch is larger than these rows
            if about.codes:
                model = MLPClassifier(**settings)
                model.partial_fit(rows, np.array(about.codes), classes=np.array(about.codes))
            else:
                model = MLPRegressor(**settings).partial_fit(rows, np.array([0.0, 1.0]))
        model.coefs_, model.intercepts_ = coefs, [arrays[f"bias.{i}"] for i in layers]
        del model._optimizer  # its moments are of those rows
        return model

    def learn(self, model: Any, way: str, lesson: Lesson, about: About) -> Any:
        made = self.loaded(self.saved(model), about)
        made.learning_rate_init *= RATES[way]
        rng = np.random.default_rng(lesson.seed)
        X, y, _ = lesson.both()
        strange = np.setdiff1d(y, about.codes if about.codes else y)
        if len(strange):
            raise invalid("rows", int(strange[0]), f"one of its classes {about.codes}")
        scaled = y if about.codes else (y - about.mean) / about.spread
        _rescale(made, about, 1.0 / about.spread, -about.mean / about.spread)
        old, new = np.arange(len(lesson.old_y)), np.arange(len(lesson.old_y), len(y))
        for _ in range(PASSES):
            beside = rng.permutation(old)[: len(new)]
            order = rng.permutation(np.concatenate([beside, new]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made.partial_fit(X[order], scaled[order])
        _rescale(made, about, about.spread, about.mean)
        return made


def _rescale(model: Any, about: About, times: float, plus: float) -> None:
    """Change the unit that a network of numbers answers in."""
    if about.codes:
        return
    model.coefs_[-1] = model.coefs_[-1] * times
    model.intercepts_[-1] = model.intercepts_[-1] * times + plus
