"""Whether a model that learned on still knows what its parent was tested on."""

from __future__ import annotations

from everloop.evaluate.compare import Comparison
from everloop.evaluate.gates._base import Gate, Verdict, bounded
from everloop.evaluate.gates._champion import ChampionGate
from everloop.evaluate.metrics import Metric


class NotForgotten(ChampionGate):
    """On the parent's held-out rows, at most ``margin`` worse than the parent.

    No sentence of a loop file: ``update.forget`` is the margin, and a method that learns on brings
    the gate. The difference itself decides for a pass; it fails when its whole interval is beyond
    the margin. What was learned anew changes some answers to old rows, so that no harm at all
    cannot be asked for.
    """

    form = "METRIC on the rows that tested version N not worse than champion by NUMBER"
    tests = False

    def __init__(self, metric: Metric, version: int, margin: float) -> None:
        where = f"on the rows that tested version {version}"
        super().__init__(f"{metric.name} {where} not worse than champion by {margin:g}", metric)
        self.bound, self.where = -margin, where

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        """None: no loop file states it."""
        return None

    def judge(self, found: Comparison) -> Verdict:
        return bounded(found.difference, found.low, found.high, ">=", self.bound)
