"""``METRIC not worse than champion by NUMBER``: no harm, within a margin."""

from __future__ import annotations

from everloop.errors import invalid
from everloop.evaluate.compare import Comparison
from everloop.evaluate.gates._base import FIELD, NUMBER, Gate, Verdict, matched
from everloop.evaluate.gates._champion import ChampionGate, metric_in
from everloop.evaluate.metrics import Metric
from everloop.extensions import gates


@gates.register("not_worse")
class NotWorse(ChampionGate):
    """A test of non-inferiority.

    Passes when the paired 95 % interval of the difference lies above minus the margin, fails when
    it lies below.
    """

    form = "METRIC not worse than champion by NUMBER"

    def __init__(self, text: str, metric: Metric, margin: float) -> None:
        super().__init__(text, metric)
        self.bound = -margin

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"(\w+) not worse than champion by {NUMBER}", text)
        if match is None:
            return None
        if float(match[2]) <= 0:
            raise invalid(FIELD, text, "a margin above 0")
        return cls(text, metric_in(match[1], text), float(match[2]))

    def judge(self, found: Comparison) -> Verdict:
        if found.low > self.bound:
            return "pass"
        return "not_enough_evidence" if found.high >= self.bound else "fail"
