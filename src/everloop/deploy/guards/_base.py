"""What a guard of a rollout is.

A guard folds what came in since the last look into a small state of plain JSON, and judges by that
state alone. The state is kept with the rollout, so that a guard costs the new rows only, and goes
on after a crash exactly where it was. Its verdict must hold at all looks together: a version that
is no worse than allowed is turned down with a probability of at most ``alpha``, however often one
looks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.deploy.rates import Counts
from everloop.deploy.spec import RolloutSpec

State = dict[str, Any]
NONE = Counts(0, 0)


class Rows(NamedTuple):
    """What one version answered since the last look.

    ``ms`` is the latency of each request that was answered; ``answers`` holds each answered row's
    class code or number.
    """

    requests: Counts = NONE
    ms: NDArray[np.float64] = np.empty(0)
    answers: NDArray[np.float64] = np.empty(0)


class Batch(NamedTuple):
    """What came in since the last look, of the version on trial and of the champion.

    ``pairs`` counts rows that both answered, and where they disagree. ``labels`` counts all
    labelled answers of the stage so far and the wrong ones, of the two; None when none came.
    """

    canary: Rows = Rows()
    champion: Rows = Rows()
    pairs: Counts = NONE
    labels: tuple[Counts, Counts] | None = None


class Finding(msgspec.Struct, frozen=True):
    """What a guard says, with its numbers.

    ``verdict``: ``fail`` when it is shown that the version is worse than allowed; ``beyond`` when
    it looks so and may be chance; else ``ok``. ``value`` lies between ``low`` and ``high`` at all
    looks together, where the guard has such an interval. ``evidence`` is the logarithm of an
    e-value against equality, where the guard has one, and ``needed`` what it must reach to count.
    """

    guard: str
    verdict: Literal["ok", "beyond", "fail"]
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    evidence: float | None = None
    needed: float | None = None


class Guard(ABC):
    """One thing that can turn a version down."""

    name: ClassVar[str]

    @abstractmethod
    def observe(self, state: State, batch: Batch) -> None:
        """Fold a batch into ``state``, which is empty when a stage begins."""

    @abstractmethod
    def judge(self, state: State, spec: RolloutSpec, alpha: float) -> Finding:
        """The verdict at this moment."""

    def finding(self, value: float, low: float, high: float, bound: float, reason: str) -> Finding:
        """The finding on a value that must not exceed ``bound``."""
        verdict: Literal["ok", "beyond", "fail"] = "ok"
        if low > bound:
            verdict = "fail"
        elif value > bound:
            verdict = "beyond"
        return Finding(self.name, verdict, reason, value, low, high, bound)


def add_counts(state: State, key: str, counts: Counts) -> None:
    """Add to the counts that a state keeps under ``key``."""
    n, hits = state.get(key, NONE)
    state[key] = [n + counts.n, hits + counts.hits]


def counts_of(state: State, key: str) -> Counts:
    """The counts that a state keeps under ``key``."""
    return Counts(*state.get(key, NONE))
