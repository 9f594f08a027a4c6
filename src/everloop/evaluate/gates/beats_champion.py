"""``METRIC beats champion``: better than what serves now, beyond the luck of the rows."""

from __future__ import annotations

from everloop.evaluate.compare import Comparison
from everloop.evaluate.gates._base import Gate, Verdict, matched
from everloop.evaluate.gates._champion import ChampionGate, metric_in
from everloop.extensions import gates


@gates.register("beats_champion")
class BeatsChampion(ChampionGate):
    """Passes only when the paired 95 % interval of the difference lies above 0.

    So a challenger that is truly equal is let through in 2.5 of 100 cycles. A difference that is
    positive and not sure is ``not_enough_evidence``.
    """

    form = "METRIC beats champion"

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(r"(\w+) beats champion", text)
        return None if match is None else cls(text, metric_in(match[1], text))

    def judge(self, found: Comparison) -> Verdict:
        if found.low > 0:
            return "pass"
        return "not_enough_evidence" if found.difference > 0 else "fail"
