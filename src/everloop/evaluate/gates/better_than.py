"""``METRIC better than champion``: the better number on the same rows, sure or not."""

from __future__ import annotations

from everloop.evaluate.compare import Comparison
from everloop.evaluate.gates._base import Gate, Verdict, matched
from everloop.evaluate.gates._champion import ChampionGate, metric_in
from everloop.extensions import gates


@gates.register("better_than")
class BetterThan(ChampionGate):
    """Passes when the difference is above 0; its interval is shown and does not decide.

    For a person who brings new rows and asks for the better model. A loop that updates by itself
    should ask for ``METRIC beats champion``, or luck will promote half of all equal challengers.
    """

    form = "METRIC better than champion"
    tests = False

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(r"(\w+) better than champion", text)
        return None if match is None else cls(text, metric_in(match[1], text))

    def judge(self, found: Comparison) -> Verdict:
        return "pass" if found.difference > 0 else "fail"
