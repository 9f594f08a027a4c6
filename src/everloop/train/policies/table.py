"""A policy that is a table: for each state, what each action is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from everloop.data.environments import Environment
from everloop.data.schema import Schema
from everloop.errors import invalid

OPSET = 18
MAX_CELLS = 5_000_000  # of the table, states by actions
SAMPLED = 2_000  # observations that the bins of real numbers are read off


class QTable:
    """Tabular Q-learning (Watkins and Dayan, 1992).

    ``Q(s, a) += α (r + γ maxₐ' Q(s', a') - Q(s, a))`` after each step, with ``ε``-greedy actions
    while learning and the greedy one afterwards. ``ε`` falls linearly from 1 to ``epsilon`` over
    the first ``explore`` of the episodes; ``α`` falls with the visits of each cell,
    ``1 / visits^decay``, as convergence asks (Even-Dar and Mansour, 2003).

    Learning ends after ``steps`` steps even if there are episodes left. Real numbers are cut into
    ``bins`` of equal frequency under random play.

    Attributes
    ----------
    values_ : float64, states by actions.
    edges_ : for each column of ``X``, where its bins begin; None for a category, which is its code.
    classes_ : codes of the actions.
    """

    def __init__(
        self,
        episodes: int = 20_000,
        gamma: float = 0.99,
        epsilon: float = 0.05,
        explore: float = 0.5,
        decay: float = 0.6,
        bins: int = 8,
        steps: int = 1_000_000,
        random_state: int = 0,
    ) -> None:
        self.episodes, self.gamma, self.epsilon = episodes, gamma, epsilon
        self.explore, self.decay, self.bins = explore, decay, bins
        self.steps = steps
        self.random_state = random_state

    def learn(self, environment: Environment) -> QTable:
        """Play ``episodes`` episodes and learn from each step."""
        rng = np.random.default_rng(self.random_state)
        self.edges_ = self._edges(environment)
        self.sizes_ = [
            len(f.levels) if edges is None else len(edges) + 1
            for f, edges in zip(environment.schema.features, self.edges_, strict=True)
        ]
        states = int(np.prod(self.sizes_, dtype=np.float64))
        if states * environment.actions > MAX_CELLS:
            raise invalid(
                "data.environment",
                f"{environment.name} with {states:,} states",
                f"a table of at most {MAX_CELLS:,} cells",
                fix="Use fewer bins, or the candidate cross_entropy.",
            )
        self.strides_ = np.cumprod([1, *self.sizes_[:-1]])
        self.classes_ = np.arange(environment.actions)
        self.values_ = np.zeros((states, environment.actions))
        visits = np.zeros_like(self.values_)
        world = environment.make()
        first = int(rng.integers(2**31))
        episode = left = 0
        left = self.steps
        while episode < self.episodes and left > 0:
            done = max(episode / self.episodes, 1.0 - left / self.steps)
            chance = self._chance(done)
            shown, _ = world.reset(seed=first if episode == 0 else None)
            state = self._state(environment.observe(shown))
            episode += 1
            for _ in range(environment.max_steps):
                left -= 1
                code = self._choose(state, chance, rng)
                shown, reward, ended, cut, _ = world.step(environment.action(code))
                after = self._state(environment.observe(shown))
                visits[state, code] += 1
                future = 0.0 if ended else self.gamma * self.values_[after].max()
                rate = visits[state, code] ** -self.decay
                self.values_[state, code] += rate * (
                    float(reward) + future - self.values_[state, code]
                )
                state = after
                if ended or cut:
                    break
        world.close()
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """The greedy action of each row, the lowest code among equals."""
        return np.asarray(self.values_[self._states(X)].argmax(axis=1), dtype=np.int64)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The chance of each action under the greedy policy: one is certain."""
        return np.asarray(np.eye(len(self.classes_))[self.predict(X)])

    def export_onnx(self, schema: Schema) -> bytes:
        """The table as ONNX: bins, one index, one row of the table, its largest value."""
        nodes: list[Any] = []
        constants: list[Any] = []
        total = ""
        for column, stride in enumerate(self.strides_):
            tag = f"c{column}"
            self._bin(column, tag, nodes, constants)
            constants.append(numpy_helper.from_array(np.array(stride, np.int64), f"{tag}.stride"))
            nodes.append(helper.make_node("Mul", [f"{tag}.bin", f"{tag}.stride"], [f"{tag}.part"]))
            if total:
                nodes.append(helper.make_node("Add", [total, f"{tag}.part"], [f"{tag}.sum"]))
            total = f"{tag}.sum" if total else f"{tag}.part"
        table = self.values_
        greedy = np.eye(table.shape[1])[table.argmax(axis=1)]
        constants += [
            numpy_helper.from_array(table.argmax(axis=1).astype(np.int64), "table.label"),
            numpy_helper.from_array(greedy, "table.chance"),
        ]
        nodes += [
            helper.make_node("Gather", ["table.label", total], ["label"], axis=0),
            helper.make_node("Gather", ["table.chance", total], ["probabilities"], axis=0),
        ]
        return policy_graph(nodes, constants, schema, table.shape[1])

    def _bin(self, column: int, tag: str, nodes: list[Any], constants: list[Any]) -> None:
        """Nodes that turn one column of ``X`` into the number of its bin, ``{tag}.bin``."""
        edges = self.edges_[column]
        constants.append(numpy_helper.from_array(np.array([column]), f"{tag}.at"))
        nodes.append(helper.make_node("Gather", ["X", f"{tag}.at"], [f"{tag}.x"], axis=1))
        constants.append(numpy_helper.from_array(np.array([1]), f"{tag}.axis"))
        if edges is None:
            limits = np.array([0, self.sizes_[column] - 1], dtype=np.int64)
            constants.append(numpy_helper.from_array(limits[0], f"{tag}.least"))
            constants.append(numpy_helper.from_array(limits[1], f"{tag}.most"))
            nodes += [
                helper.make_node("Cast", [f"{tag}.x"], [f"{tag}.code"], to=TensorProto.INT64),
                helper.make_node(
                    "Clip", [f"{tag}.code", f"{tag}.least", f"{tag}.most"], [f"{tag}.ones"]
                ),
            ]
        else:
            constants.append(numpy_helper.from_array(edges.reshape(1, -1), f"{tag}.edges"))
            nodes += [
                helper.make_node("GreaterOrEqual", [f"{tag}.x", f"{tag}.edges"], [f"{tag}.above"]),
                helper.make_node("Cast", [f"{tag}.above"], [f"{tag}.ones"], to=TensorProto.INT64),
            ]
        nodes.append(
            helper.make_node(
                "ReduceSum", [f"{tag}.ones", f"{tag}.axis"], [f"{tag}.bin"], keepdims=0
            )
        )

    def _chance(self, done: float) -> float:
        """How often it acts at random after a share of the learning."""
        return max(self.epsilon, 1.0 - done / self.explore * (1.0 - self.epsilon))

    def _choose(self, state: int, chance: float, rng: np.random.Generator) -> int:
        row = self.values_[state]
        if rng.random() < chance:
            return int(rng.integers(len(row)))
        best = np.flatnonzero(row == row.max())  # an untouched state must not always go one way
        return int(best[0] if len(best) == 1 else rng.choice(best))

    def _edges(self, environment: Environment) -> list[NDArray[np.float64] | None]:
        features = environment.schema.features
        if all(f.kind == "category" for f in features):
            return [None] * len(features)
        seen = observed(environment, self.random_state, SAMPLED)
        shares = np.linspace(0, 1, self.bins + 1)[1:-1]
        return [
            None if f.kind == "category" else np.unique(np.quantile(column, shares))
            for f, column in zip(features, seen.T, strict=True)
        ]

    def _state(self, row: list[float]) -> int:
        return sum(
            (int(value) if edges is None else int(np.searchsorted(edges, value, side="right")))
            * int(stride)
            for edges, value, stride in zip(self.edges_, row, self.strides_, strict=True)
        )

    def _states(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """An unknown level counts as the first; NaN is below every edge, as it is in the graph."""
        total = np.zeros(len(X), dtype=np.int64)
        for edges, size, column, stride in zip(
            self.edges_, self.sizes_, X.T, self.strides_, strict=True
        ):
            if edges is None:
                part = np.clip(column.astype(np.int64), 0, size - 1)
            else:
                part = (column[:, None] >= edges).sum(axis=1)
            total += part * int(stride)
        return total


def observed(environment: Environment, seed: int, steps: int) -> NDArray[np.float64]:
    """Rows of ``X`` under random play."""
    rng = np.random.default_rng(seed)
    world = environment.make()
    rows: list[list[float]] = []
    shown, _ = world.reset(seed=seed)
    while len(rows) < steps:
        rows.append(environment.observe(shown))
        code = int(rng.integers(environment.actions))
        shown, _, ended, cut, _ = world.step(environment.action(code))
        if ended or cut:
            shown, _ = world.reset()
    world.close()
    return np.array(rows, dtype=np.float64)


def policy_graph(nodes: list[Any], constants: list[Any], schema: Schema, actions: int) -> bytes:
    """A graph from ``X`` to ``label`` and ``probabilities``."""
    graph = helper.make_graph(
        nodes,
        "everloop",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["rows", schema.width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, ["rows", actions]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data
