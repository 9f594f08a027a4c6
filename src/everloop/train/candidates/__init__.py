"""The built-in candidates; importing a module registers it."""

from everloop.train.candidates import (
    decision_tree,
    extra_trees,
    lightgbm,
    linear_regression,
    logistic_regression,
    random_forest,
    ridge,
)

__all__ = [
    "decision_tree",
    "extra_trees",
    "lightgbm",
    "linear_regression",
    "logistic_regression",
    "random_forest",
    "ridge",
]
