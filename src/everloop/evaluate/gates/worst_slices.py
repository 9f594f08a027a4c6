"""``METRIC in worst 5 slices >= NUMBER``: no part of the rows is forgotten."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Task
from everloop.errors import invalid
from everloop.evaluate.gates._base import (
    FIELD,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    Verdict,
    check_metric_task,
    matched,
    meets,
    shown,
    too_little,
)
from everloop.evaluate.gates._champion import metric_in
from everloop.evaluate.gates._slices import (
    PAIRED,
    Slice,
    found_slices,
    judged,
    pairs,
    value_on,
)
from everloop.evaluate.metrics import Metric
from everloop.extensions import gates

LEVEL = 0.05
MOST = 50


@gates.register("worst_slices")
class WorstSlices(Gate):
    """The metric on the worst slices that are found without being named.

    Looked through are the levels of categories, the quarters of numbers and what is missing, and
    each two of the worst together, where 2 % of the rows and at least 30 are in it. The worst of
    many looks bad by chance alone: it fails only when its interval is beyond the bound at a level
    of 5 % divided by how many slices were looked at (Bonferroni, 1936).
    """

    form = "METRIC in worst 5 slices >= NUMBER"

    def __init__(self, text: str, metric: Metric, most: int, sign: str, bound: float) -> None:
        super().__init__(text)
        self.metric, self.most, self.sign, self.bound = metric, most, sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"(\w+) in worst (\d+) slices\s*(>=|<=|>|<)\s*{NUMBER}", text)
        if match is None:
            return None
        metric = metric_in(match[1], text)
        wanted = ">" if metric.greater_is_better else "<"
        if not match[3].startswith(wanted):
            raise invalid(FIELD, text, f"{wanted}= for {metric.name}, the side that is good")
        if not 1 <= int(match[2]) <= MOST:
            raise invalid(FIELD, text, f"a number of slices from 1 to {MOST}")
        return cls(text, metric, int(match[2]), match[3], float(match[4]))

    def check_task(self, task: Task) -> None:
        check_metric_task(self.metric, task, FIELD)

    def check(self, evidence: Evidence) -> GateResult:
        reason = too_little(self.metric, evidence)
        if reason:
            return self.result("not_enough_evidence", f"{reason}.", bound=self.bound)
        worst, looked = self._worst(evidence)
        if not worst:
            detail = "No slice has enough rows to be judged."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        found = [judged(self.metric, evidence, part, LEVEL / looked) for part in worst]
        hopeful = [f.high if self.sign.startswith(">") else f.low for f in found]
        verdict: Verdict = "not_enough_evidence"
        if all(meets(f.value, self.sign, self.bound) for f in found):
            verdict = "pass"
        elif not all(meets(h, self.sign, self.bound) for h in hopeful):
            verdict = "fail"
        told = "; ".join(
            f"{part.name}: {shown(f.value)} ({shown(f.low)} to {shown(f.high)}, {f.n} rows)"
            for part, f in zip(worst, found, strict=True)
        )
        detail = (
            f"{self.metric.name} in the worst of {looked} slices: {told}; "
            f"wanted {self.sign} {shown(self.bound)}."
        )
        first = found[0]
        return self.result(
            verdict, detail, value=first.value, bound=self.bound, low=first.low, high=first.high
        )

    def _worst(self, evidence: Evidence) -> tuple[list[Slice], int]:
        """The worst slices, and how many could be judged at all."""
        singles = self._ranked(evidence, found_slices(evidence))
        both = self._ranked(
            evidence, pairs([part for _, part in singles[:PAIRED]], len(evidence.y))
        )
        ranked = sorted([*singles, *both], key=lambda pair: pair[0])
        return [part for _, part in ranked[: self.most]], len(ranked)

    def _ranked(self, evidence: Evidence, parts: list[Slice]) -> list[tuple[float, Slice]]:
        sign = 1.0 if self.metric.greater_is_better else -1.0
        scored = [(sign * value_on(self.metric, evidence, part), part) for part in parts]
        return sorted((s for s in scored if np.isfinite(s[0])), key=lambda pair: pair[0])
