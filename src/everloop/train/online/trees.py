"""Trees and forests that grow event by event, after the bound of Hoeffding (1963)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from river import forest, tree
from river.tree.splitter import QOSplitter
from skl2onnx.algebra.onnx_ops import (
    OnnxAdd,
    OnnxCast,
    OnnxDiv,
    OnnxReduceSum,
    OnnxTreeEnsembleRegressor_3,
)

from everloop.train.estimators._base import DOUBLE, GraphClassifier, GraphRegressor
from everloop.train.estimators._distances import dense
from everloop.train.online._base import Online
from everloop.train.online.reading import Grown, grown
from everloop.train.online.written import read_back, written
from everloop.train.tree_ensembles import Node, shared_ensemble

HARDLY = 1e-12  # of a probability, so that a leaf that has met nothing says nothing


class _Trees(Online):
    """A leaf is split in two once the best split is better than the next by
    ``ε = sqrt(R² ln(1/delta) / 2n)`` of its n events, or ``ε < tau``. It answers with the shares
    of the classes, or the mean, of what it met: not with river's models within a leaf, which would
    be a graph for each.

    Attributes
    ----------
    grown_ : the trees as arrays, weighted and divided so that the answer is their sum.
    """

    grace_period: int
    delta: float
    tau: float
    max_depth: int
    nominal: tuple[int, ...]
    learner_: Any
    grown_: list[Grown]

    def _begin(self) -> None:
        self.learner_ = self._new(
            grace_period=self.grace_period,
            delta=self.delta,
            tau=self.tau,
            max_depth=self.max_depth,
            nominal_attributes=list(self.nominal) or None,
            binary_split=True,
        )

    def _new(self, **settings: Any) -> Any:
        raise NotImplementedError

    def _event(self, row: list[float], target: Any) -> None:
        self.learner_.learn_one(dict(enumerate(row)), target)

    def _members(self) -> list[Any]:
        """The trees of a forest, or the tree."""
        return [self.learner_]

    def _settle(self) -> None:
        self.grown_ = []
        members = self._members()
        for member, one in enumerate(members):
            if one._root is not None:
                say = partial(self._say, member=member, members=len(members))
                self.grown_.append(grown(one._root, say, self.n_features_in_))

    def _say(self, leaves: list[Any], member: int, members: int) -> np.ndarray:
        raise NotImplementedError

    def _sum(self, X: Any) -> np.ndarray:
        rows = dense(X)
        total: np.ndarray = sum((one.answers(rows) for one in self.grown_), np.zeros((1, 1)))
        return total

    def _sum_graph(self, X: Any, opset: int, center: float = 0.0) -> Any:
        """The same, in which leaves are summed in single precision, around ``center``."""
        nodes: list[Node] = []
        values: dict[tuple[int, int], np.ndarray] = {}
        for number, one in enumerate(self.grown_):
            nodes += one.nodes(number)
            around = one.values - center / len(self.grown_)
            values |= {(number, place): said for place, said in enumerate(around)}
        attributes = shared_ensemble(nodes, values, self.grown_[0].values.shape[1])
        wide = OnnxCast(X, to=DOUBLE, op_version=opset)
        summed = OnnxTreeEnsembleRegressor_3(wide, op_version=3, **attributes)
        return OnnxCast(summed, to=DOUBLE, op_version=opset)

    def state(self) -> Any:
        return written(self.learner_)

    def _resume(self, state: Any) -> None:
        made = read_back(state)
        if type(made) is not type(self.learner_):
            raise ValueError(f"it is a {type(made).__name__}")
        self.learner_ = made


class _Classes(_Trees, GraphClassifier):
    """Trees that answer the shares of classes."""

    def _classes(self, y: np.ndarray) -> None:
        self.classes_ = np.unique(y)

    def _shares(self, stats: dict[int, float], weight: float = 1.0) -> np.ndarray:
        """Of the classes in what a leaf met, times ``weight``; nothing of a leaf that met none."""
        counts = np.array([float(stats.get(code, 0.0)) for code in self.classes_.tolist()])
        total = counts.sum()
        return counts / total * weight if total > 0 else counts * 0.0

    def _say(self, leaves: list[Any], member: int, members: int) -> np.ndarray:
        return self._shares(leaves[-1].stats)

    def predict_proba(self, X: Any) -> np.ndarray:
        told = self._sum(X) + HARDLY
        return np.asarray(told / told.sum(axis=1, keepdims=True))

    def graph(self, X: Any, opset: int) -> Any:
        told = OnnxAdd(self._sum_graph(X, opset), np.array([[HARDLY]]), op_version=opset)
        axis = np.array([1], dtype=np.int64)
        total = OnnxReduceSum(told, axis, keepdims=1, op_version=opset)
        return OnnxDiv(told, total, op_version=opset)


class _Numbers(_Trees, GraphRegressor):
    """Trees that answer the mean of what their leaves met. Split points are quantised at a quarter
    of a deviation (Mastelini and de Carvalho, 2021), so numbers arrive scaled."""

    def _say(self, leaves: list[Any], member: int, members: int) -> np.ndarray:
        return np.array([np.mean([leaf.stats.mean.get() for leaf in leaves]) / members])

    def predict(self, X: Any) -> np.ndarray:
        """One number a row."""
        return self._sum(X).ravel()

    def graph(self, X: Any, opset: int) -> Any:
        center = float(sum(np.median(one.values[one.left < 0]) for one in self.grown_))
        told = self._sum_graph(X, opset, center)
        return OnnxAdd(told, np.array([[center]]), op_version=opset)


class _Plain(_Trees):
    """The parameters of a tree that never forgets."""

    def __init__(
        self,
        grace_period: int = 200,
        delta: float = 1e-7,
        tau: float = 0.05,
        max_depth: int = 16,
        nominal: tuple[int, ...] = (),
    ) -> None:
        self.grace_period, self.delta, self.tau = grace_period, delta, tau
        self.max_depth, self.nominal = max_depth, nominal


class HoeffdingTree(_Plain, _Classes):
    """Hoeffding tree (Domingos and Hulten, 2000): information gain, a normal for each class and
    number, counts for categories."""

    def _new(self, **settings: Any) -> Any:
        return tree.HoeffdingTreeClassifier(leaf_prediction="mc", **settings)


class HoeffdingTreeNumbers(_Plain, _Numbers):
    """The same for numbers: variance reduction (Ikonomovska, Gama and Dzeroski, 2011)."""

    def _new(self, **settings: Any) -> Any:
        return tree.HoeffdingTreeRegressor(
            leaf_prediction="mean", splitter=QOSplitter(), **settings
        )


class _Adaptive(_Trees):
    """The parameters of a tree whose branches are replaced."""

    def __init__(
        self,
        grace_period: int = 200,
        delta: float = 1e-7,
        tau: float = 0.05,
        max_depth: int = 16,
        nominal: tuple[int, ...] = (),
        random_state: int = 0,
    ) -> None:
        self.grace_period, self.delta, self.tau = grace_period, delta, tau
        self.max_depth, self.nominal, self.random_state = max_depth, nominal, random_state


class HoeffdingAdaptiveTree(_Adaptive, _Classes):
    """Hoeffding tree with ADWIN at each node (Bifet and Gavaldà, 2009): where errors rise, an
    alternate begins, which replaces the branch once it has splits or is surely better."""

    def _new(self, **settings: Any) -> Any:
        return tree.HoeffdingAdaptiveTreeClassifier(
            leaf_prediction="mc", seed=self.random_state, **settings
        )

    def _say(self, leaves: list[Any], member: int, members: int) -> np.ndarray:
        """Shares weighted by 1 / error², which river leaves out where nothing was ever wrong."""
        told = sum(self._shares(one.stats, 1.0 / (one._mean_error.get() ** 2 or 1.0))
                   for one in leaves)  # fmt: skip
        total = np.sum(told)
        return np.asarray(told / total if total > 0 else told)


class HoeffdingAdaptiveTreeNumbers(_Adaptive, _Numbers):
    """The same for numbers; the answer is the mean of the leaf and the alternates above it."""

    def _new(self, **settings: Any) -> Any:
        return tree.HoeffdingAdaptiveTreeRegressor(
            leaf_prediction="mean", splitter=QOSplitter(), seed=self.random_state, **settings
        )


class _Forest(_Trees):
    """The parameters of a forest."""

    def __init__(
        self,
        n_models: int = 10,
        grace_period: int = 50,
        delta: float = 0.01,
        tau: float = 0.05,
        max_depth: int = 16,
        nominal: tuple[int, ...] = (),
        random_state: int = 0,
    ) -> None:
        self.n_models, self.grace_period, self.delta, self.tau = n_models, grace_period, delta, tau
        self.max_depth, self.nominal, self.random_state = max_depth, nominal, random_state

    def _members(self) -> list[Any]:
        return list(self.learner_.data)


class AdaptiveForest(_Forest, _Classes):
    """Adaptive random forest (Gomes et al., 2017): each tree meets each event Poisson(6) times and
    sees √d columns at a leaf; ADWIN warns, a tree grows behind, and takes over at a drift. Trees
    are weighted by how often they were right."""

    def _new(self, **settings: Any) -> Any:
        return forest.ARFClassifier(
            n_models=self.n_models, leaf_prediction="mc", seed=self.random_state, **settings
        )

    def _say(self, leaves: list[Any], member: int, members: int) -> np.ndarray:
        right = self.learner_._metrics[member].get()
        return self._shares(leaves[-1].stats, right if right > 0 else 1.0)


class AdaptiveForestNumbers(_Forest, _Numbers):
    """The same for numbers (Gomes et al., 2018): the plain mean of the trees."""

    def _new(self, **settings: Any) -> Any:
        return forest.ARFRegressor(
            n_models=self.n_models, leaf_prediction="mean", aggregation_method="mean",
            splitter=QOSplitter(), seed=self.random_state, **settings,
        )  # fmt: skip
