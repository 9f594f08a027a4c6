"""What the gates against the champion share."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from everloop.data.schema import Task
from everloop.evaluate.compare import Comparison, compare
from everloop.evaluate.gates._base import (
    FIELD,
    Evidence,
    Gate,
    GateResult,
    Verdict,
    check_metric_task,
    shown,
    too_little,
    unknown_metric,
)
from everloop.evaluate.metrics import Metric, get_metric, metric_names


class ChampionGate(Gate):
    """A gate on the paired difference between challenger and champion, on the same rows.

    Without a champion it passes and says so: something has to serve first.
    """

    bound = 0.0
    tests: ClassVar[bool] = True  # whether a pass claims more than the luck of the rows

    def __init__(self, text: str, metric: Metric) -> None:
        super().__init__(text)
        self.metric = metric

    @abstractmethod
    def judge(self, found: Comparison) -> Verdict:
        """The verdict on a difference."""

    def check_task(self, task: Task) -> None:
        check_metric_task(self.metric, task, FIELD)

    def check(self, evidence: Evidence) -> GateResult:
        if evidence.champion is None:
            return self.result("pass", evidence.unopposed, bound=self.bound)
        reason = too_little(self.metric, evidence)
        if reason:
            return self.result("not_enough_evidence", f"{reason}.", bound=self.bound)
        metric = evidence.bound(self.metric)
        found = compare(
            metric, evidence.y, evidence.challenger, evidence.champion, evidence.seed, self.bound
        )
        ours, theirs = (
            shown(metric.function(evidence.y, a.pred, a.proba))
            for a in (evidence.challenger, evidence.champion)
        )
        detail = (
            f"{self.metric.name} is {ours}, the champion's {theirs}: "
            f"better by {shown(found.difference)} "
            f"(95 % {shown(found.low)} to {shown(found.high)}, "
            f"{found.n} {evidence.unit}; {found.test})."
        )
        return self.result(
            self.judge(found),
            detail,
            value=found.difference,
            bound=self.bound,
            low=found.low,
            high=found.high,
            p_value=found.p_value if self.tests else None,
            test=found.test,
        )


def metric_in(name: str, text: str) -> Metric:
    """The metric that a sentence starts with."""
    if name not in metric_names():
        raise unknown_metric(name, text, ())
    return get_metric(name, FIELD)
