"""What the gates on the packaged model as a thing share: one measure below one bound."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

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


class MeasuredGate(Gate):
    """``MEASURE <= NUMBER``; ``words`` holds the measure's name, ``told`` the sentence."""

    told: ClassVar[str]

    def __init__(self, text: str, sign: str, bound: float) -> None:
        super().__init__(text)
        self.sign, self.bound = sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        (name,) = cls.words
        match = matched(rf"{name}\s*(>=|<=|>|<)\s*{NUMBER}", text)
        if match is None:
            return None
        if match[1].startswith(">") or float(match[2]) <= 0:
            raise invalid(FIELD, text, f"{name} <= a number above 0")
        return cls(text, match[1], float(match[2]))

    @abstractmethod
    def measure(self, evidence: Evidence) -> float | None:
        """The value; None when it could not be measured."""

    def check(self, evidence: Evidence) -> GateResult:
        value = self.measure(evidence)
        if value is None:
            detail = "The packaged model was not measured."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        verdict: Verdict = "pass" if meets(value, self.sign, self.bound) else "fail"
        detail = self.told.format(value=shown(value), sign=self.sign, bound=shown(self.bound))
        return self.result(verdict, detail, value=value, bound=self.bound)
