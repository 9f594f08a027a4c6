"""``no leaks``: nothing of the outcome, the future or the test is known in training."""

from __future__ import annotations

from everloop.evaluate.gates._base import Evidence, Gate, GateResult, matched
from everloop.extensions import gates


@gates.register("no_leaks")
class NoLeaks(Gate):
    """Fails on a leak that the data itself proves; what is only suspect needs a person."""

    form = "no leaks"
    words = ("no",)

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        return cls(text) if matched("no leaks", text) else None

    def check(self, evidence: Evidence) -> GateResult:
        if evidence.leaks is None:
            return self.result("not_enough_evidence", "Nobody looked for leaks.")
        found = evidence.leaks()
        proven = [sentence for level, sentence in found if level == "leak"]
        if proven:
            return self.result("fail", " ".join(proven), value=float(len(proven)), bound=0.0)
        if found:
            detail = " ".join(sentence for _, sentence in found)
            return self.result("not_enough_evidence", detail, value=0.0, bound=0.0)
        return self.result("pass", "No leak was found.", value=0.0, bound=0.0)
