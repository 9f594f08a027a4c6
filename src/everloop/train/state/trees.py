"""LightGBM's trees: their leaves refitted, or a few more of them, always with old rows beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import lightgbm
import numpy as np
from skl2onnx import update_registered_converter
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from everloop.train.cores import cores
from everloop.train.lightgbm_onnx import tree_attributes
from everloop.train.state._base import About, Learner, Lesson
from everloop.train.tree_ensembles import (
    class_converter,
    class_shape,
    number_converter,
    number_shape,
)

FILE = "trees.txt"
MORE_ROUNDS = 15  # of boosting, each time
RATE = 0.05  # of these rounds
MOST_GROWN = 2.0  # times the rounds of the full fit, beyond which none are added


class Trees(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A booster that answers numbers. ``text`` is the model as LightGBM writes it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.booster_ = lightgbm.Booster(model_str=text)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.booster_.predict(X, num_threads=cores()))


class TreesOfClasses(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A booster that answers classes. ``codes`` are theirs, ascending."""

    def __init__(self, text: str, codes: list[int]) -> None:
        self.text, self.codes = text, codes
        self.booster_ = lightgbm.Booster(model_str=text)
        self.classes_ = np.asarray(codes, dtype=np.int64)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """n by k."""
        found = np.asarray(self.booster_.predict(X, num_threads=cores()))
        return np.column_stack([1.0 - found, found]) if found.ndim == 1 else found

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


update_registered_converter(Trees, "EverloopTrees", number_shape, number_converter(tree_attributes))
update_registered_converter(
    TreesOfClasses,
    "EverloopTreesOfClasses",
    class_shape,
    class_converter(tree_attributes),
    options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
)


class TreesLearner(Learner):
    """Leaves that move towards the gradients of the lesson (``refit``: ``decay`` of the old value
    stays), or some rounds more with a small rate.

    Rounds on the new rows alone would follow them anywhere; here the old ones weigh as much as
    they are.
    """

    ways: ClassVar[tuple[str, ...]] = ("refit 0.9", "refit 0.5", "more rounds")

    def saved(self, model: Any) -> dict[str, bytes]:
        text = getattr(model, "text", None)
        if text is None:
            best = getattr(model, "best_iteration_", None) or -1
            text = model.booster_.model_to_string(num_iteration=best)
        return {FILE: text.encode()}

    def loaded(self, files: Mapping[str, bytes], about: About) -> Any:
        text = files[FILE].decode()
        return TreesOfClasses(text, about.codes) if about.codes else Trees(text)

    def learn(self, model: Any, way: str, lesson: Lesson, about: About) -> Any:
        booster = lightgbm.Booster(model_str=model.text)
        if way == "more rounds":
            text = _grown(booster, lesson, about)
        else:
            text = _refitted(booster, lesson, about, float(way.partition(" ")[2]))
        return self.loaded({FILE: text.encode()}, about)


def _refitted(booster: Any, lesson: Lesson, about: About, decay: float) -> str:
    X, y, _ = lesson.both()
    # New rows and old ones count alike as groups: every leaf shall meet rows of its own.
    old = len(lesson.old_y)
    weights = np.full(len(y), 1.0)
    weights[:old] = min(1.0, len(lesson.y) / max(old, 1))
    booster.params |= _quiet()
    made = booster.refit(X, _places(y, about), decay_rate=decay, weight=weights)
    return str(made.model_to_string())


def _grown(booster: Any, lesson: Lesson, about: About) -> str:
    rounds = booster.current_iteration()
    if about.rounds and rounds + MORE_ROUNDS > MOST_GROWN * about.rounds:
        return str(booster.model_to_string())
    X, y, weights = lesson.both()
    params = {**about.params, **_quiet(), "learning_rate": RATE, "seed": lesson.seed}
    params.pop("n_estimators", None)
    params["objective"] = "regression"
    if about.codes:
        params["objective"] = "binary" if len(about.codes) == 2 else "multiclass"
        if len(about.codes) > 2:
            params["num_class"] = len(about.codes)
    data = lightgbm.Dataset(X, _places(y, about), weight=weights, free_raw_data=False)
    made = lightgbm.train(params, data, MORE_ROUNDS, init_model=booster)
    return str(made.model_to_string())


def _places(y: np.ndarray, about: About) -> np.ndarray:
    return np.searchsorted(about.codes, y) if about.codes else y


def _quiet() -> dict[str, Any]:
    return {
        "verbosity": -1,
        "num_threads": cores(),
        "deterministic": True,
        "force_row_wise": True,
    }
