"""``METRIC >= NUMBER``: the metric on the holdout against a fixed bound."""

from __future__ import annotations

from everloop.data.schema import Task
from everloop.errors import invalid
from everloop.evaluate.gates._base import (
    FIELD,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    bounded,
    check_metric_task,
    matched,
    shown,
    too_little,
    unknown_metric,
)
from everloop.evaluate.metrics import Metric, estimate, get_metric, metric_names
from everloop.extensions import gates


@gates.register("threshold")
class Threshold(Gate):
    """Passes when the metric meets the bound; its 95 % interval is shown beside it."""

    form = "METRIC >= NUMBER"

    def __init__(self, text: str, metric: Metric, sign: str, bound: float) -> None:
        super().__init__(text)
        self.metric, self.sign, self.bound = metric, sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"(\w+)\s*(>=|<=|>|<)\s*{NUMBER}", text)
        if match is None:
            return None
        name, sign, bound = match[1], match[2], float(match[3])
        if name not in metric_names():
            others = tuple(word for _, gate in gates for word in gate.words)
            if name in others:
                return None
            raise unknown_metric(name, text, others)
        metric = get_metric(name, FIELD)
        lowest, highest = metric.bounds
        if (lowest is not None and bound < lowest) or (highest is not None and bound > highest):
            limits = f"from {lowest:g}" if lowest is not None else ""
            limits += f" to {highest:g}" if highest is not None else ""
            raise invalid(FIELD, text, f"a bound {limits.strip()}, the values that {name} can have")
        return cls(text, metric, sign, bound)

    def check_task(self, task: Task) -> None:
        check_metric_task(self.metric, task, FIELD)

    def check(self, evidence: Evidence) -> GateResult:
        reason = too_little(self.metric, evidence)
        if reason:
            return self.result("not_enough_evidence", f"{reason}.", bound=self.bound)
        answers = evidence.challenger
        metric = evidence.bound(self.metric)
        found = estimate(metric, evidence.y, answers.pred, answers.proba, evidence.seed)
        verdict = bounded(found.value, found.low, found.high, self.sign, self.bound)
        detail = (
            f"{self.metric.name} is {shown(found.value)} "
            f"(95 % {shown(found.low)} to {shown(found.high)}, {found.n} {evidence.unit}), "
            f"wanted {self.sign} {shown(self.bound)}."
        )
        return self.result(
            verdict, detail, value=found.value, bound=self.bound, low=found.low, high=found.high
        )
