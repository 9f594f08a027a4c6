"""``size_mb <= NUMBER``: how large the packaged model is."""

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


@gates.register("size")
class Size(Gate):
    """The bytes of the model that is served, in millions."""

    form = "size_mb <= NUMBER"
    words = ("size_mb",)

    def __init__(self, text: str, sign: str, bound: float) -> None:
        super().__init__(text)
        self.sign, self.bound = sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"size_mb\s*(>=|<=|>|<)\s*{NUMBER}", text)
        if match is None:
            return None
        if match[1].startswith(">") or float(match[2]) <= 0:
            raise invalid(FIELD, text, "size_mb <= a number above 0")
        return cls(text, match[1], float(match[2]))

    def check(self, evidence: Evidence) -> GateResult:
        if evidence.size is None:
            detail = "The packaged model was not measured."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        value = evidence.size / 1e6
        verdict: Verdict = "pass" if meets(value, self.sign, self.bound) else "fail"
        detail = f"The model takes {shown(value)} MB, wanted {self.sign} {shown(self.bound)} MB."
        return self.result(verdict, detail, value=value, bound=self.bound)
