"""What an update costs: computing it, reviewing it, and the risk of its rollout, in money.

Everything that can be measured is measured from the loop's own past cycles; a person says what an
hour of compute, a review and a bad hour of a rollout cost.
"""

from __future__ import annotations

from statistics import median

import msgspec

from everloop.durations import milliseconds
from everloop.update.record import PastUpdate
from everloop.update.spec import UpdateSpec, ValueSpec

HOURS = 1.0  # that a bad version is on trial, before one was


class Training(msgspec.Struct, frozen=True):
    """A cycle that made a model: by which method, in how many seconds of compute."""

    seconds: float
    method: str = "retrain"


class Experience(msgspec.Struct, frozen=True):
    """What the updates of a loop came to before; all of it newest first.

    Attributes
    ----------
    updates : promotions whose realised gain was measured.
    trained : the cycles that made a model.
    rollouts, rolled_back : how many versions stood trial, and how many of them failed it.
    on_trial : hours until each of those that failed was rolled back.
    lasted : event time (ms) from each promotion to the next.
    """

    updates: tuple[PastUpdate, ...] = ()
    trained: tuple[Training, ...] = ()
    rollouts: int = 0
    rolled_back: int = 0
    on_trial: tuple[float, ...] = ()
    lasted: tuple[int, ...] = ()


class Cost(msgspec.Struct, frozen=True):
    """What an update is reckoned to cost, in money."""

    compute: float
    review: float
    risk: float

    @property
    def total(self) -> float:
        return self.compute + self.review + self.risk

    def said(self) -> str:
        """``3.10 (compute 0.90, review 2.00, risk of the rollout 0.20)``."""
        parts = (("compute", self.compute), ("review", self.review), ("rollout's risk", self.risk))
        known = [f"{name} {money:,.2f}" for name, money in parts if money]
        return f"{self.total:,.2f}" + (f" ({', '.join(known)})" if known else "")


def cost_of(past: Experience, spec: UpdateSpec, method: str) -> Cost:
    """The cost of one more update by ``method``.

    Compute is the median of the past, so that one odd cycle does not count; of the cycles by the
    same method, or of all before there was one. The share of rollouts
    that fail has the prior Beta(½, 4½): one in ten, until the loop's own say otherwise.
    """
    same = [one.seconds for one in past.trained if one.method == method]
    seconds = median(same or [one.seconds for one in past.trained] or [0.0])
    failing = (past.rolled_back + 0.5) / (past.rollouts + 5)
    hours = median(past.on_trial) if past.on_trial else HOURS
    return Cost(
        compute=seconds / 3600 * spec.hour,
        review=spec.review * reviewers(spec),
        risk=failing * hours * spec.bad_hour,
    )


def reviewers(spec: UpdateSpec) -> int:
    """How many people look at an update before it serves."""
    if spec.approval == "auto":
        return 0
    if isinstance(spec.approvals, dict):
        return sum(spec.approvals.values())
    return spec.approvals or 1


def lasts(past: Experience, value: ValueSpec) -> float:
    """For how long (ms) a gain will be had: until the next update, as it was before."""
    return float(median(past.lasted)) if past.lasted else float(milliseconds(value.over))


def money_of(gain: float, value: ValueSpec, duration: float) -> float:
    """What a gain in the metric is worth that lasts so long (ms)."""
    return gain / value.per * value.money * duration / milliseconds(value.over)
