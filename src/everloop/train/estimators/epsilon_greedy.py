"""A bandit's policy: mostly the action whose reward is expected to be the greatest."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from sklearn.base import BaseEstimator

from everloop.data.rewards import ACTION, PROPENSITY, REWARD
from everloop.data.schema import Schema
from everloop.train.estimators._side_by_side import side_by_side
from everloop.train.loading import load

FEW = 10  # rows of an action, below which its mean reward is all that is learned
HEAVIEST = 100.0  # how often a row may count
NOTHING = "bandit.nothing"


class EpsilonGreedy(BaseEstimator):  # type: ignore[misc]
    """``p(a|x) = explore / k``, and ``1 - explore`` more for the best of the k actions.

    Each action has a regression of its reward, in which a row counts ``1 / propensity`` times: so
    the rows stand for all contexts, not only for those in which the action used to be chosen
    (importance weighted regression: Bietti, Agarwal and Langford, "A contextual bandit bake-off",
    JMLR 22, 2021). That every action keeps a probability above 0 is what lets a later policy be
    judged on the rewards of this one.

    Parameters
    ----------
    parts : an unfitted pipeline of a regression for each action.
    explore : share of the requests that are answered with any action.
    """

    def __init__(self, parts: tuple[Any, ...], explore: float = 0.05) -> None:
        self.parts, self.explore = parts, explore

    @property
    def classes_(self) -> np.ndarray:
        return np.arange(len(self.parts))

    def fit(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> EpsilonGreedy:
        """Learn from n rows and what was done there, as :func:`everloop.data.rewards.logged` says.

        An action with few rows, or with one reward alone, is expected to earn its mean; one
        without any the mean of all.
        """
        done, reward = y[:, ACTION].astype(np.int64), y[:, REWARD]
        count = np.minimum(1.0 / y[:, PROPENSITY], HEAVIEST)
        count = count if weights is None else count * weights
        overall = float(np.average(reward, weights=count))
        self.always_: list[float | None] = []
        for action, part in enumerate(self.parts):
            own = np.flatnonzero(done == action)
            mean = float(np.average(reward[own], weights=count[own])) if len(own) else overall
            learns = len(own) >= FEW and np.ptp(reward[own]) > 0
            self.always_.append(None if learns else mean)
            if learns:
                weighed = count[own] * (len(own) / count[own].sum())
                last = part.steps[-1][0]
                part.fit(X[own], reward[own], **{f"{last}__sample_weight": weighed})
        return self

    def expected(self, X: np.ndarray) -> np.ndarray:
        """The reward that each action is expected to earn, n by k."""
        return np.column_stack(
            [
                np.asarray(part.predict(X), dtype=np.float64).ravel()
                if always is None
                else np.full(len(X), always)
                for part, always in zip(self.parts, self.always_, strict=True)
            ]
        )

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The probability of each action, n by k."""
        k = len(self.parts)
        best = self.expected(X).argmax(axis=1)
        return np.asarray(self.explore / k + (1.0 - self.explore) * np.eye(k)[best])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The best action of each row."""
        return np.asarray(self.expected(X).argmax(axis=1))

    def export_onnx(self, schema: Schema) -> bytes:
        """``label``, the best action, and ``probabilities`` of all."""
        export, k = load("everloop.train.onnx:exported"), len(self.parts)
        alone = msgspec.structs.replace(schema, task="regression", classes=())
        learned = [a for a, always in enumerate(self.always_) if always is None]
        graphs = [export(self.parts[action], alone) for action in learned]
        model, outputs = side_by_side(graphs) if graphs else (_nothing(schema.width), [])
        graph = model.graph
        # From n by one for each action that was learned to n by k, and what is always so added.
        pick = np.zeros((len(learned) or 1, k))
        pick[np.arange(len(learned)), learned] = 1.0
        constants = {
            "bandit.pick": pick,
            "bandit.fixed": np.array([[always or 0.0 for always in self.always_]]),
            "bandit.one": np.array([1], dtype=np.int64),
            "bandit.policy": self.explore / k + (1.0 - self.explore) * np.eye(k),
        }
        for name, value in constants.items():
            graph.initializer.append(numpy_helper.from_array(value, name))
        columns = [f"{name}.column" for name in outputs] or [NOTHING]
        for name, column in zip(outputs, columns, strict=False):
            graph.node.append(helper.make_node("Unsqueeze", [name, "bandit.one"], [column]))
        graph.node.extend(
            [
                helper.make_node("Concat", columns, ["bandit.learned"], axis=1),
                helper.make_node("MatMul", ["bandit.learned", "bandit.pick"], ["bandit.own"]),
                helper.make_node("Add", ["bandit.own", "bandit.fixed"], ["bandit.expected"]),
                helper.make_node("ArgMax", ["bandit.expected"], ["label"], axis=1, keepdims=0),
                helper.make_node("Gather", ["bandit.policy", "label"], ["probabilities"], axis=0),
            ]
        )
        double, whole = TensorProto.DOUBLE, TensorProto.INT64
        graph.output.append(helper.make_tensor_value_info("label", whole, ["rows"]))
        graph.output.append(helper.make_tensor_value_info("probabilities", double, ["rows", k]))
        return bytes(model.SerializeToString())


def _nothing(width: int) -> ModelProto:
    """A graph that answers 0 to each row, n by 1: where every action always earned the same."""
    zero = helper.make_tensor("zero", TensorProto.DOUBLE, [1], [0.0])
    nodes = [
        helper.make_node("Shape", ["X"], ["bandit.rows"], start=0, end=1),
        helper.make_node("Concat", ["bandit.rows", "bandit.one"], ["bandit.shape"], axis=0),
        helper.make_node("ConstantOfShape", ["bandit.shape"], [NOTHING], value=zero),
    ]
    took = [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["rows", width])]
    model = helper.make_model(
        helper.make_graph(nodes, "everloop", took, []), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 8
    return model
