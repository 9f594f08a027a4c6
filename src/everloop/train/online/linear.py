"""Linear models by stochastic gradient descent, one step an event, with scales that go along."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from river import linear_model, optim, preprocessing, stats
from river.utils import VectorDict
from scipy.special import expit, softmax
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxConcat, OnnxMatMul, OnnxSigmoid, OnnxSoftmax

from everloop.train.estimators._base import GraphClassifier, GraphRegressor
from everloop.train.online._base import Online

ALWAYS = -1  # the column that is 1 in every row


class _Linear(Online):
    """The first ``numbers`` columns are scaled by their mean and deviation so far (river's
    ``StandardScaler``); of the others, levels and words, those that are not 0 are learned from.

    Attributes
    ----------
    weights_, offsets_ : of the columns as they come, d by k, and 1 by k.
    """

    learning_rate: float
    numbers: int

    def _begin(self) -> None:
        self.scaler_: Any = preprocessing.StandardScaler()
        self.learner_ = self._new()

    def _new(self) -> Any:
        raise NotImplementedError

    def _read(self, row: list[float]) -> dict[int, float]:
        """One event as river reads it, after the scaler has learned from it."""
        numbers = dict(enumerate(row[: self.numbers]))
        self.scaler_.learn_one(numbers)
        told: dict[int, float] = self.scaler_.transform_one(numbers)
        for column in range(self.numbers, len(row)):
            if row[column] != 0.0:
                told[column] = row[column]
        return told

    def _unscaled(self, parts: list[tuple[dict[int, float], float]]) -> None:
        """Weights over scaled numbers, and offsets, as those over the columns as they come."""
        scaler, columns = self.scaler_, range(self.numbers)
        means = np.array([scaler.means[c] for c in columns])
        spread = np.sqrt([scaler.vars[c] for c in columns])
        weights, offsets = np.zeros((self.n_features_in_, len(parts))), np.zeros((1, len(parts)))
        for place, (known, offset) in enumerate(parts):
            for column, value in known.items():
                if column != ALWAYS:
                    weights[column, place] = value
            offsets[0, place] = offset
        shrunk = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        weights[: self.numbers] *= shrunk[:, None]
        self.weights_, self.offsets_ = weights, offsets - means @ weights[: self.numbers]

    def _scores(self, X: Any) -> np.ndarray:
        return np.asarray(X @ self.weights_) + self.offsets_

    def _graph(self, X: Any, opset: int) -> Any:
        product = OnnxMatMul(X, self.weights_, op_version=opset)
        return OnnxAdd(product, self.offsets_, op_version=opset)

    def state(self) -> Any:
        columns = range(self.numbers)
        scaler = self.scaler_
        said = [[scaler.counts[c], scaler.means[c], scaler.vars[c]] for c in columns]
        return {"scales": said, "learner": self._learner_state()}

    def _learner_state(self) -> Any:
        raise NotImplementedError

    def _resume(self, state: Any) -> None:
        scales = [_numbers(one, 3) for one in state["scales"]]
        if len(scales) != self.numbers:
            raise ValueError(f"it has the scales of {len(scales)} columns, not of {self.numbers}")
        for column, (count, mean, variance) in enumerate(scales):
            self.scaler_.counts[column] = int(count)
            self.scaler_.means[column], self.scaler_.vars[column] = mean, variance
        self._resume_learner(state["learner"])

    def _resume_learner(self, state: Any) -> None:
        raise NotImplementedError

    def _weights(self, pairs: Any) -> dict[int, float]:
        """Weights by column in the order in which they were met: sums depend on it."""
        known = {int(column): float(value) for column, value in pairs}
        if not all(ALWAYS <= column < self.n_features_in_ for column in known):
            raise ValueError("a weight is of a column that the model has not")
        return known


class OnlineLogistic(_Linear, GraphClassifier):
    """``w ← w - η ∂(-log p(y|x))/∂w`` after each event (Robbins and Monro, 1951).

    Two classes are river's ``LogisticRegression``, more its ``SoftmaxRegression``.

    Parameters
    ----------
    learning_rate : η, the same for ever, so that it goes on following.
    numbers : how many of the first columns are scaled.
    """

    def __init__(self, learning_rate: float = 0.05, numbers: int = 0) -> None:
        self.learning_rate, self.numbers = learning_rate, numbers

    def _classes(self, y: np.ndarray) -> None:
        self.classes_ = np.unique(y)

    def _new(self) -> Any:
        step = optim.SGD(self.learning_rate)
        if len(self.classes_) != 2:
            return linear_model.SoftmaxRegression(optimizer=step)
        return linear_model.LogisticRegression(optimizer=step, intercept_lr=self.learning_rate)

    def _event(self, row: list[float], target: Any) -> None:
        told = self._read(row)
        if len(self.classes_) == 2:
            self.learner_.learn_one(told, int(target == self.classes_[1]))
        else:
            self.learner_.learn_one(told | {ALWAYS: 1.0}, target)

    def _settle(self) -> None:
        if len(self.classes_) == 2:
            self._unscaled([(self.learner_.weights, self.learner_.intercept)])
        else:
            known = [self.learner_.weights[code] for code in self.classes_.tolist()]
            self._unscaled([(one, one[ALWAYS]) for one in known])

    def predict_proba(self, X: Any) -> np.ndarray:
        scores = self._scores(X)
        if scores.shape[1] > 1 or len(self.classes_) == 1:
            return np.asarray(softmax(scores, axis=1))
        return np.hstack([expit(-scores), expit(scores)])

    def graph(self, X: Any, opset: int) -> Any:
        scores = self._graph(X, opset)
        if len(self.classes_) != 2:
            return OnnxSoftmax(scores, axis=1, op_version=opset)
        turned = OnnxMatMul(scores, np.array([[-1.0]]), op_version=opset)
        sides = [OnnxSigmoid(one, op_version=opset) for one in (turned, scores)]
        return OnnxConcat(*sides, axis=1, op_version=opset)

    def _learner_state(self) -> Any:
        known = self.learner_
        if len(self.classes_) == 2:
            pairs = [list(pair) for pair in known.weights.items()]
            return [[1, pairs, known.optimizer.n_iterations, known.intercept]]
        return [
            [code, [list(pair) for pair in one.items()], known.optimizers[code].n_iterations, 0.0]
            for code, one in known.weights.items()
        ]

    def _resume_learner(self, state: Any) -> None:
        known = self.learner_
        if len(self.classes_) == 2:
            ((_, pairs, steps, intercept),) = state
            _go_on(known, self._weights(pairs), steps, intercept)
            return
        for code, pairs, steps, _ in state:
            if code not in self.classes_:
                raise ValueError(f"it has weights of a class {code!r} that it does not tell")
            known.weights[int(code)] = defaultdict(float, self._weights(pairs))
            known.optimizers[int(code)].n_iterations = int(steps)


class OnlineLinear(_Linear, GraphRegressor):
    """``w ← w + (η / m)(z - w·x - b) x`` after each event, river's ``LinearRegression``.

    ``z`` is the target scaled by its mean and deviation so far (``TargetStandardScaler``). Divided
    by how many features a row has, a step cannot overshoot (Widrow and Hoff, 1960).

    Parameters
    ----------
    learning_rate : η, the same for ever. features : m. numbers : as of :class:`OnlineLogistic`.
    """

    def __init__(self, learning_rate: float = 0.1, features: int = 1, numbers: int = 0) -> None:
        self.learning_rate, self.features, self.numbers = learning_rate, features, numbers

    def _new(self) -> Any:
        rate = self.learning_rate / (1 + self.features) / 2  # the gradient of a square is twice it
        inner = linear_model.LinearRegression(optimizer=optim.SGD(rate), intercept_lr=rate)
        return preprocessing.TargetStandardScaler(regressor=inner)

    def _event(self, row: list[float], target: Any) -> None:
        self.learner_.learn_one(self._read(row), target)

    def _settle(self) -> None:
        inner, var = self.learner_.regressor, self.learner_.var
        spread = var.get() ** 0.5
        self._unscaled([(inner.weights, inner.intercept)])
        self.weights_ = self.weights_ * spread
        self.offsets_ = self.offsets_ * spread + var.mean.get()

    def predict(self, X: Any) -> np.ndarray:
        """One number a row."""
        return self._scores(X).ravel()

    def graph(self, X: Any, opset: int) -> Any:
        return self._graph(X, opset)

    def _learner_state(self) -> Any:
        inner, var = self.learner_.regressor, self.learner_.var
        pairs = [list(pair) for pair in inner.weights.items()]
        target = [var.mean.n, var.mean.get(), var._S]
        return [pairs, inner.optimizer.n_iterations, inner.intercept, target]

    def _resume_learner(self, state: Any) -> None:
        pairs, steps, intercept, target = state
        _go_on(self.learner_.regressor, self._weights(pairs), steps, intercept)
        self.learner_.var = var_of(target)


def var_of(said: Any, ddof: int = 1) -> Any:
    """River's running variance of its count, mean and sum of squared deviations."""
    count, mean, squares = _numbers(said, 3)
    made = stats.Var(ddof=ddof)
    made.mean.n, made.mean._mean, made._S = count, mean, squares
    return made


def _go_on(learner: Any, weights: dict[int, float], steps: Any, intercept: Any) -> None:
    learner._weights = VectorDict(weights)
    learner.optimizer.n_iterations, learner.intercept = int(steps), float(intercept)


def _numbers(said: Any, count: int) -> list[float]:
    if not isinstance(said, list) or len(said) != count:
        raise ValueError(f"expected {count} numbers")
    return [float(one) for one in said]
