"""``METRIC gap by COLUMN <= NUMBER``: no group is served far worse than another."""

from __future__ import annotations

import math

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
)
from everloop.evaluate.gates._champion import metric_in
from everloop.evaluate.gates._columns import groups_of, listed
from everloop.evaluate.gates._slices import Judged, Slice, judged
from everloop.evaluate.metrics import Metric
from everloop.extensions import gates

LEVEL = 0.05


@gates.register("gap")
class Gap(Gate):
    """The metric of the best group less that of the worst, of a column or an intersection.

    ``recall gap by sex <= 0.05`` is equality of opportunity (Hardt, Price and Srebro, 2016). The
    interval is that of a difference of independent groups, at 5 % divided by the number of groups,
    since the best and the worst were picked among them. Groups that are too small are left out.
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
        found = [judged(self.metric, evidence, p, LEVEL / len(large)) for p in large]
        left_out = len(parts) - len(large)
        return self._compared(found, by, left_out)

    def _compared(self, found: list[Judged], by: str, left_out: int) -> GateResult:
        top = max(found, key=lambda f: f.value)
        bottom = min((f for f in found if f is not top), key=lambda f: f.value)
        value = top.value - bottom.value
        half = math.hypot(top.high - top.value, bottom.high - bottom.value)
        low, high = max(value - half, 0.0), value + half
        detail = (
            f"{self.metric.name} by {by} is {shown(top.value)} for {top.part.name} and "
            f"{shown(bottom.value)} for {bottom.part.name}: a gap of {shown(value)} "
            f"({shown(low)} to {shown(high)}), wanted {self.sign} {shown(self.bound)}"
            + (f"; {left_out} groups with too few rows left out." if left_out else ".")
        )
        verdict = bounded(value, low, high, self.sign, self.bound)
        return self.result(verdict, detail, value=value, bound=self.bound, low=low, high=high)
