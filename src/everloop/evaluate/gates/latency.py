"""``p99_latency_ms <= NUMBER``: how long the packaged model takes."""

from __future__ import annotations

from everloop.errors import invalid
from everloop.evaluate.gates._base import (
    FIELD,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    Verdict,
    matched,
    meets,
    shown,
)
from everloop.extensions import gates


@gates.register("latency")
class Latency(Gate):
    """The 99th percentile of the time for one row, in milliseconds.

    Of a request to the packaged model in a real server process, with the rows of the holdout.
    """

    form = "p99_latency_ms <= NUMBER"
    words = ("p99_latency_ms",)

    def __init__(self, text: str, sign: str, bound: float) -> None:
        super().__init__(text)
        self.sign, self.bound = sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"p99_latency_ms\s*(>=|<=|>|<)\s*{NUMBER}", text)
        if match is None:
            return None
        if match[1].startswith(">") or float(match[2]) <= 0:
            raise invalid(FIELD, text, "p99_latency_ms <= a number above 0")
        return cls(text, match[1], float(match[2]))

    def check(self, evidence: Evidence) -> GateResult:
        value = evidence.latency() if evidence.latency is not None else None
        if value is None:
            detail = "The packaged model was not measured."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        verdict: Verdict = "pass" if meets(value, self.sign, self.bound) else "fail"
        detail = f"p99 latency is {shown(value)} ms, wanted {self.sign} {shown(self.bound)} ms."
        return self.result(verdict, detail, value=value, bound=self.bound)
