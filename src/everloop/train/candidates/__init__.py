"""The built-in candidates; importing a module registers it."""

from everloop.train.candidates import (
    cross_entropy,
    decision_tree,
    extra_trees,
    item_based,
    lightgbm,
    linear_regression,
    logistic_regression,
    matrix_factorisation,
    q_learning,
    random_forest,
    ridge,
)

__all__ = [
    "cross_entropy",
    "decision_tree",
    "extra_trees",
    "item_based",
    "lightgbm",
    "linear_regression",
    "logistic_regression",
    "matrix_factorisation",
    "q_learning",
    "random_forest",
    "ridge",
]
