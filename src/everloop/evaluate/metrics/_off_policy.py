"""What estimators of a policy's value share: rewards that another policy earned, weighted.

``y`` is what :func:`everloop.data.rewards.logged` makes, n by 3, and beside it the reward that each
action is expected to earn (:func:`everloop.evaluate.rewards.with_expected`), n by 3 + k. One
reward a row alone means that the very answers that are judged earned them: then no weight is
needed, and the value is their mean.

With ``w = π(a|x) / p``, the probability that the new policy does what was done over that with which
it was done, ``w r`` has the new policy's value as its mean, as long as it does nothing that was
never tried. Weights are clipped at ``√n`` (at least 10): what that leaves out vanishes as rows come
(Ionides, "Truncated importance sampling", JCGS 17, 2008).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np

from everloop.data.rewards import ACTION, PROPENSITY
from everloop.data.schema import Task
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics._base import MomentMetric

LEAST_ROWS = 30.0  # that the weighted rows must be worth
LEAST_CLIP = 10.0


class Overlap(msgspec.Struct, frozen=True):
    """How much logged rows say about another policy.

    Attributes
    ----------
    rows : that were logged. effective : how many rows of the policy's own they are worth,
        ``(Σw)² / Σw²`` (Kish, 1965).
    mean : of the weights; 1 but for chance where every action that the policy takes was tried.
    error : the standard error of that mean.
    clipped : weights above ``bound``, which count as that.
    """

    rows: int
    effective: float
    mean: float
    error: float
    clipped: int
    bound: float

    @property
    def too_small(self) -> str | None:
        """Why the rows cannot tell; None when they can."""
        if self.effective < LEAST_ROWS:
            return (
                f"the {self.rows:,} logged rows are worth {self.effective:.0f} of this policy's "
                f"own (effective sample size); {LEAST_ROWS:.0f} are needed"
            )
        if abs(self.mean - 1.0) > 0.1 + 3.0 * self.error:
            return (
                f"the mean weight of the logged rows is {self.mean:.2g} and would be 1: what this "
                "policy does was hardly tried there, or the propensities are wrong"
            )
        return None

    def sentence(self) -> str:
        """For people."""
        cut = f"{self.clipped:,} weights clipped" if self.clipped else "none clipped"
        return (
            f"{self.rows:,} logged rows are worth {self.effective:,.0f} of this policy's own "
            f"(effective sample size); weights up to {self.bound:.3g}, {cut}."
        )


def weights(y: np.ndarray, proba: np.ndarray) -> tuple[np.ndarray, float]:
    """``π(a|x) / p`` of each row, n, not clipped; and the bound to clip them at."""
    done = y[:, ACTION].astype(np.int64)
    found = proba[np.arange(len(y)), done] / y[:, PROPENSITY]
    return found, max(LEAST_CLIP, float(np.sqrt(len(y))))


def overlap(y: np.ndarray, proba: np.ndarray) -> Overlap:
    """What n logged rows are worth for a policy of these probabilities, n by k."""
    raw, bound = weights(y, proba)
    w = np.minimum(raw, bound)
    squares = float(np.square(w).sum())
    effective = float(w.sum()) ** 2 / squares if squares > 0 else 0.0
    error = float(w.std() / np.sqrt(max(1, len(w))))
    mean = float(w.mean()) if len(w) else 0.0
    return Overlap(len(w), effective, mean, error, int((raw > bound).sum()), bound)


class OffPolicyMetric(MomentMetric):
    """The mean reward that a policy would earn, from what another one did."""

    tasks: ClassVar[frozenset[Task]] = frozenset({"bandit"})
    needs_probabilities: ClassVar[bool] = False  # rewards of the policy's own need none
    bounds = (None, None)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        if y.ndim == 1:
            return self.earned(y)
        assert proba is not None, "a policy answers with probabilities"
        raw, bound = weights(y, proba)
        return self.weighted(y, proba, np.minimum(raw, bound))

    def earned(self, rewards: np.ndarray) -> np.ndarray:
        """The columns of rewards of the policy's own."""
        return rewards[:, None]

    def weighted(self, y: np.ndarray, proba: np.ndarray, w: np.ndarray) -> np.ndarray:
        """The columns of logged rows, whose weights are ``w``."""
        raise NotImplementedError

    def unsupported(self, y: np.ndarray, answers: Answers) -> str | None:
        if y.ndim == 1 or answers.proba is None:
            return None
        return overlap(y, answers.proba).too_small
