"""What surrounds the fitting of one estimator: what it may read, report and obey beside its rows.

A candidate's ``fit`` gets it, so that early stopping, pruning, checkpoints, weights and groups
reach those algorithms that know what to do with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from everloop.data.environments import Environment

TIME_ONLY = -1  # a step of which ``prune`` is told nothing, but asked whether the time is up

Report = Callable[[str, dict[str, Any]], None]


def silent(_stage: str, _facts: dict[str, Any]) -> None:
    """A report that nobody reads."""


def never(_step: int, _score: float) -> bool:
    """A study that prunes nothing."""
    return False


@dataclass(frozen=True)
class Fitting:
    """The surroundings of one fit.

    Attributes
    ----------
    validation : ``(X, y)`` of rows that judge when to stop early; None when there are none. Never
        rows of the test.
    groups : for a ranking, which rows belong together, n codes; None otherwise.
    validation_groups : the same of the validation rows.
    weights : of the rows, n floats; None when all count alike.
    checkpoints : a folder of this fit's own, where long training keeps its state and finds it
        again after a crash; None when it need not.
    environment : where a policy learns; None for all other tasks.
    explore : of a bandit, the share of requests that any action may answer.
    device : where a network is trained: ``auto`` (a GPU when there is one), ``cpu``, ``cuda``.
    report : called with a stage (``"epoch"``, ``"device"``) and its facts.
    prune : called with a step and the validation score so far (greater is better); True means
        that this trial is hopeless: raise :class:`Pruned`.
    """

    validation: tuple[np.ndarray, np.ndarray] | None = None
    groups: np.ndarray | None = None
    validation_groups: np.ndarray | None = None
    weights: np.ndarray | None = None
    checkpoints: Path | None = None
    environment: Environment | None = None
    explore: float = 0.05
    device: str = "auto"
    report: Report = silent
    prune: Callable[[int, float], bool] = never


class Pruned(Exception):
    """A trial that was stopped since others were better at the same point."""
