"""Which families can go on learning, and why the others cannot."""

from __future__ import annotations

import os
from typing import NamedTuple

from everloop.data.schema import Task
from everloop.train.loading import load
from everloop.train.state._base import Learner

ONE_ANSWER: tuple[Task, ...] = ("regression", "binary", "multiclass")
CLASSES: tuple[Task, ...] = ("binary", "multiclass")
NETWORKS: tuple[Task, ...] = ("regression", "binary", "multiclass", "multilabel")


class Family(NamedTuple):
    """``learner`` as ``module:Name``, the ``tasks`` it can do, and the ``file`` of its model."""

    learner: str
    tasks: tuple[Task, ...]
    file: str


_TREES = Family("everloop.train.state.trees:TreesLearner", ONE_ANSWER, "trees.txt")
_SQUARES = Family("everloop.train.state.squares:SquaresLearner", ("regression",), "weights.npz")
_NETWORK = Family("everloop.train.state.network:NetworkLearner", NETWORKS, "network.safetensors")


def _events(tasks: tuple[Task, ...]) -> Family:
    return Family("everloop.train.state.events:EventsLearner", tasks, "learner.msgpack")


FAMILIES: dict[str, Family] = {
    "lightgbm": _TREES,
    "linear_regression": _SQUARES,
    "ridge": _SQUARES,
    "logistic_regression": Family(
        "everloop.train.state.logistic:LogisticLearner", CLASSES, "weights.npz"
    ),
    "naive_bayes": Family("everloop.train.state.bayes:BayesLearner", CLASSES, "counts.npz"),
    "mlp": Family("everloop.train.state.perceptron:PerceptronLearner", ONE_ANSWER, "weights.npz"),
    "online_logistic_regression": _events(CLASSES),
    "online_linear_regression": _events(("regression",)),
    "online_naive_bayes": _events(CLASSES),
    **dict.fromkeys(
        ("hoeffding_tree", "hoeffding_adaptive_tree", "adaptive_random_forest"),
        _events(ONE_ANSWER),
    ),
    **dict.fromkeys(("torch_mlp", "cnn", "rnn", "lstm", "gru", "transformer"), _NETWORK),
}

_WHOLE_TREES = "its trees are grown from all rows at once, and none can be added or refitted alone"
_ZEROS = "which of its weights are zero is chosen from all rows at once"
_ROWS = "it answers from the rows themselves, which only a new fit exchanges"

_WHY_NOT: dict[str, str] = {
    **dict.fromkeys(("decision_tree", "random_forest", "extra_trees"), _WHOLE_TREES),
    **dict.fromkeys(("hist_gradient_boosting", "gradient_boosting"), _WHOLE_TREES),
    **dict.fromkeys(("lasso", "elastic_net"), _ZEROS),
    **dict.fromkeys(("knn", "svm"), _ROWS),
    "ensemble": "the weights of its members hold for the fits that they were found with",
}


def why_not(algorithm: str, task: Task) -> str | None:
    """Why a model of that kind cannot go on learning; None where it can."""
    family = FAMILIES.get(algorithm)
    if family is not None:
        if task in family.tasks:
            return None
        return f"{algorithm} goes on learning for {', '.join(family.tasks)}, not for {task}"
    if ":" in algorithm:
        return f"{algorithm} is an estimator of your own: its state cannot be kept without pickle"
    return f"{algorithm} cannot go on learning: " + _WHY_NOT.get(
        algorithm, "it is fitted from all rows at once"
    )


def learner_of(algorithm: str) -> Learner:
    """Of an algorithm that :func:`why_not` says nothing against."""
    # Read when OpenMP loads; threads that wait by spinning are slow beside another process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    made: Learner = load(FAMILIES[algorithm].learner)()
    return made
