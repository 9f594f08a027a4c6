"""``agreement with champion >= NUMBER``: what serves next sees the rows as what serves now."""

from __future__ import annotations

from everloop.data.schema import Task
from everloop.errors import invalid
from everloop.evaluate.agreement import agreement, scores_of
from everloop.evaluate.gates._base import (
    FIELD,
    MIN_ROWS,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    bounded,
    matched,
    shown,
)
from everloop.extensions import gates


@gates.register("champion_agreement")
class AgreesWithChampion(Gate):
    """The rank correlation of both models' scores on the same held-out rows; no label is needed.

    It keeps a refit from turning the alarms over unnoticed. It cannot say which of the two is
    right: where the world has changed, low agreement is what one hopes for. Without a champion it
    passes and says so.
    """

    form = "agreement with champion >= NUMBER"
    words = ("agreement",)

    def __init__(self, text: str, bound: float) -> None:
        super().__init__(text)
        self.bound = bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"agreement with champion >= {NUMBER}", text)
        if match is None:
            return None
        if not 0 <= float(match[1]) < 1:
            raise invalid(FIELD, text, "a rank correlation from 0 to below 1")
        return cls(text, float(match[1]))

    def check_task(self, task: Task) -> None:
        if task != "anomaly":
            raise invalid(FIELD, self.text, f"a gate for {task}", code="wrong_task")

    def check(self, evidence: Evidence) -> GateResult:
        if evidence.champion is None:
            return self.result("pass", evidence.unopposed, bound=self.bound)
        found = agreement(scores_of(evidence.challenger), scores_of(evidence.champion))
        if found is None or found.n < MIN_ROWS:
            detail = f"{len(evidence.y)} rows cannot tell how far both agree."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        detail = (
            f"The rank correlation with the champion's scores is {shown(found.value)} "
            f"(95 % {shown(found.low)} to {shown(found.high)}, {found.n} rows), "
            f"wanted >= {shown(self.bound)}."
        )
        verdict = bounded(found.value, found.low, found.high, ">=", self.bound)
        return self.result(
            verdict, detail, value=found.value, bound=self.bound, low=found.low, high=found.high
        )
