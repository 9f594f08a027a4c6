"""Pruners by their plain names.

A pruner is one of Optuna's, made by a function of no arguments that is registered in ``pruners``;
it sees the trials of one candidate, and the scores that each reported on its way.
"""

from everloop.train.search.pruners import hyperband, median, none

__all__ = ["hyperband", "median", "none"]
