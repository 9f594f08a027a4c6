"""The false discovery rate over a stream, paid by windows that look quiet only."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from everloop.extensions import controls
from everloop.monitor.controls._base import Control, Evidence, Ruling, State, adjust_p_values

CANDIDATE = 0.5  # a window whose p-value is at or below it costs nothing
KEPT = 64  # discoveries remembered; forgetting older ones only lowers the level
TOTAL = 2.285766  # the sum of j ** -1.6


class Wealth(msgspec.Struct, frozen=True):
    """Windows tested, candidates among them, and both of them at each alarm."""

    tested: int = 0
    candidates: int = 0
    found: tuple[tuple[int, int], ...] = ()

    def level(self, rate: float) -> float:
        """The level of the next window."""
        start = rate / 2
        level = start * _gamma(self.tested + 1 - self.candidates)
        for order, (tested, candidates) in enumerate(self.found):
            since = self.tested + 1 - tested - (self.candidates - candidates)
            level += (rate - start if order == 0 else rate) * _gamma(since)
        return min(CANDIDATE, (1 - CANDIDATE) * level)

    def after(self, p_value: float, alarm: bool) -> Wealth:
        """Once the next window was tested; an alarm counts as the last one of its time."""
        tested = self.tested + 1
        candidates = self.candidates + (p_value <= CANDIDATE)
        found = (*self.found, (tested, candidates))[-KEPT:] if alarm else self.found
        return Wealth(tested, candidates, found)


def _gamma(j: int) -> float:
    return float(max(j, 1) ** -1.6) / TOTAL


@controls.register("saffron")
class Saffron(Control):
    """SAFFRON over the windows (Ramdas, Zrnic, Wainwright & Jordan, ICML 2018).

    A window's p-value is the least one of its features, adjusted within the window.
    """

    def rule(self, evidence: Mapping[str, Evidence], state: State) -> Ruling:
        wealth = msgspec.convert(state, Wealth)
        level = wealth.level(self.limits.false_alarm_rate)
        adjusted = adjust_p_values(evidence)
        least = min(adjusted.values(), default=1.0)
        after = wealth.after(least, least <= level)
        return Ruling(level, adjusted, msgspec.to_builtins(after))
