"""A policy that weighs what it sees: one linear score for each action."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from everloop.data.environments import Environment
from everloop.data.episodes import LEARNING, returns, seeds
from everloop.data.schema import Schema
from everloop.train.policies.table import observed, policy_graph

SAMPLED = 2_000
LEAST_SPREAD = 1e-6


class LinearPolicy:
    """The action with the largest ``W φ(x) + b``, found by the cross-entropy method.

    Each of ``rounds`` draws ``draws`` weights from a normal distribution, plays ``episodes``
    episodes with each, and fits the distribution anew to the best ``elite`` share (Rubinstein,
    1999), with noise that fades so that it does not settle too early (Szita and Lőrincz, 2006).
    ``φ`` scales real numbers by what random play shows and gives each level of a category a
    column of its own.

    Attributes
    ----------
    weights_ : float64, columns of ``φ`` + 1 by actions; the last row is ``b``.
    """

    def __init__(
        self,
        rounds: int = 15,
        draws: int = 32,
        episodes: int = 3,
        elite: float = 0.2,
        noise: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.rounds, self.draws, self.episodes = rounds, draws, episodes
        self.elite, self.noise, self.random_state = elite, noise, random_state

    def learn(self, environment: Environment) -> LinearPolicy:
        """Search for weights; the mean of the last distribution is kept."""
        rng = np.random.default_rng(self.random_state)
        self._prepare(environment)
        self.classes_ = np.arange(environment.actions)
        shape = (self._columns() + 1, environment.actions)
        mean, spread = np.zeros(shape), np.ones(shape)
        best = max(1, round(self.draws * self.elite))
        for turn in range(self.rounds):
            drawn = mean + spread * rng.standard_normal((self.draws, *shape))
            # All draws of a round meet the same episodes; the next round meets others.
            played = seeds(LEARNING + turn * self.episodes, self.episodes, self.random_state)
            scores = np.array([returns(environment, self._actor(w), played).mean() for w in drawn])
            chosen = drawn[_elite(scores, best)]
            if not len(chosen):
                continue
            fading = self.noise * max(0.0, 1.0 - turn / max(1.0, 0.7 * self.rounds))
            mean = chosen.mean(axis=0)
            spread = np.sqrt(chosen.var(axis=0) + fading**2) + LEAST_SPREAD
        self.weights_ = mean
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """The action of each row, the lowest code among equals."""
        return np.asarray(self._scores(X, self.weights_).argmax(axis=1), dtype=np.int64)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The chance of each action: one is certain."""
        return np.asarray(np.eye(len(self.classes_))[self.predict(X)])

    def export_onnx(self, schema: Schema) -> bytes:
        """One product of matrices and the place of its largest value."""
        nodes, constants, parts = [], [], []
        real = np.flatnonzero(self.levels_ == 0)
        if len(real):
            constants += _named(at=real, mean=self.mean_, scale=self.scale_, zero=np.zeros(()))
            nodes += [
                helper.make_node("Gather", ["X", "at"], ["real.x"], axis=1),
                helper.make_node("IsNaN", ["real.x"], ["real.gone"]),
                helper.make_node("Sub", ["real.x", "mean"], ["real.moved"]),
                helper.make_node("Div", ["real.moved", "scale"], ["real.scaled"]),
                helper.make_node("Where", ["real.gone", "zero", "real.scaled"], ["real"]),
            ]
            parts.append("real")
        for column in np.flatnonzero(self.levels_):
            tag, levels = f"c{column}", np.arange(self.levels_[column], dtype=np.float64)
            constants += _named(**{f"{tag}.at": np.array([column]), f"{tag}.levels": levels})
            nodes += [
                helper.make_node("Gather", ["X", f"{tag}.at"], [f"{tag}.x"], axis=1),
                helper.make_node("Equal", [f"{tag}.x", f"{tag}.levels"], [f"{tag}.is"]),
                helper.make_node("Cast", [f"{tag}.is"], [tag], to=TensorProto.DOUBLE),
            ]
            parts.append(tag)
        actions = self.weights_.shape[1]
        constants += _named(w=self.weights_[:-1], b=self.weights_[-1], chance=np.eye(actions))
        nodes += [
            helper.make_node("Concat", parts, ["phi"], axis=1),
            helper.make_node("MatMul", ["phi", "w"], ["weighed"]),
            helper.make_node("Add", ["weighed", "b"], ["scores"]),
            helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
            helper.make_node("Gather", ["chance", "label"], ["probabilities"], axis=0),
        ]
        return policy_graph(nodes, constants, schema, actions)

    def _prepare(self, environment: Environment) -> None:
        features = environment.schema.features
        self.levels_ = np.array([len(f.levels) for f in features])
        real = observed(environment, self.random_state, SAMPLED)[:, self.levels_ == 0]
        self.mean_ = real.mean(axis=0)
        self.scale_ = np.where(real.std(axis=0) > 0, real.std(axis=0), 1.0)

    def _columns(self) -> int:
        return int(self.levels_.sum() + (self.levels_ == 0).sum())

    def _actor(self, weights: NDArray[np.float64]) -> Any:
        return lambda X: self._scores(X, weights).argmax(axis=1)

    def _scores(self, X: NDArray[np.float64], weights: NDArray[np.float64]) -> Any:
        real = (X[:, self.levels_ == 0] - self.mean_) / self.scale_
        parts = [np.where(np.isnan(real), 0.0, real)]
        for column in np.flatnonzero(self.levels_):
            parts.append(X[:, [column]] == np.arange(self.levels_[column]))
        return np.hstack(parts) @ weights[:-1] + weights[-1]


def _elite(scores: NDArray[np.float64], best: int) -> NDArray[np.int64]:
    """The ``best`` that score more than the worst does: where rewards are rare most draws earn
    none, and to follow some of those is to walk at random."""
    first = np.argsort(scores)[-best:]
    return np.asarray(first[scores[first] > scores.min()], dtype=np.int64)


def _named(**arrays: NDArray[Any]) -> list[Any]:
    return [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
