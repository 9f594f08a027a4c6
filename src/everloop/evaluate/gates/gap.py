"""``METRIC gap by COLUMN <= NUMBER``: no group is served far worse than another."""

from __future__ import annotations

from everloop.data.schema import Task
from everloop.errors import invalid
from everloop.evaluate.fairness.gaps import level_of, widest
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
)
from everloop.evaluate.gates._champion import metric_in
from everloop.evaluate.gates._columns import groups_of, listed
from everloop.evaluate.gates._slices import Slice, judged
from everloop.evaluate.metrics import Estimate, Metric
from everloop.extensions import gates


@gates.register("gap")
class Gap(Gate):
    """The metric of the best group less that of the worst, of a column or an intersection.

    ``recall gap by sex <= 0.05`` is equality of opportunity (Hardt, Price and Srebro, 2016). The
    interval is that of a difference of independent groups, at 5 % divided by the number of groups,
    since the best and the worst were picked among them. Groups that are too small are left out; a
    number of more than 12 values is cut at its quartiles.
    """

    form = "METRIC gap by COLUMN <= NUMBER"

    def __init__(
        self, text: str, metric: Metric, by: tuple[str, ...], sign: str, bound: float
    ) -> None:
        super().__init__(text)
        self.metric, self.by, self.sign, self.bound = metric, by, sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"(\w+) gap by (.+?)\s*(>=|<=|>|<)\s*{NUMBER}", text)
        if match is None:
            return None
        if match[3].startswith(">") or float(match[4]) < 0:
            raise invalid(FIELD, text, "METRIC gap by COLUMN <= a number of 0 or more")
        metric = metric_in(match[1], text)
        return cls(text, metric, listed(match[2]), match[3], float(match[4]))

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by

    def check_task(self, task: Task) -> None:
        check_metric_task(self.metric, task, FIELD)

    def check(self, evidence: Evidence) -> GateResult:
        names, codes = groups_of(self, evidence.frame, self.by)
        parts = [Slice(f"{name!r}", "", codes == i) for i, name in enumerate(names)]
        large = [p for p in parts if not too_little(self.metric, evidence.on(p.rows))]
        by = " and ".join(self.by)
        if len(large) < 2:
            small = min(parts, key=lambda p: int(p.rows.sum()), default=None)
            detail = f"{len(large)} group of {by} has enough rows to be judged; 2 are needed" + (
                f" ({small.name} has {int(small.rows.sum())})." if small is not None else "."
            )
            return self.result("not_enough_evidence", detail, bound=self.bound)
        level = level_of(len(large))
        found = {p.name: judged(self.metric, evidence, p, level) for p in large}
        return self._compared(found, by, left_out=len(parts) - len(large))

    def _compared(self, found: dict[str, Estimate], by: str, left_out: int) -> GateResult:
        gap = widest(self.metric.name, found)
        top, bottom = found[gap.highest].value, found[gap.lowest].value
        detail = (
            f"{self.metric.name} by {by} is {shown(top)} for {gap.highest} and "
            f"{shown(bottom)} for {gap.lowest}: a gap of {shown(gap.value)} "
            f"({shown(gap.low)} to {shown(gap.high)}), wanted {self.sign} {shown(self.bound)}"
            + (f"; {left_out} groups with too few rows left out." if left_out else ".")
        )
        verdict = bounded(gap.value, gap.low, gap.high, self.sign, self.bound)
        return self.result(
            verdict, detail, value=gap.value, bound=self.bound, low=gap.low, high=gap.high
        )
