"""The false discovery rate over a stream of windows that depend on each other in any way."""

from __future__ import annotations

from collections.abc import Mapping

from everloop.extensions import controls
from everloop.monitor.control import spent
from everloop.monitor.controls._base import (
    Control,
    Evidence,
    Ruling,
    State,
    adjust_e_values,
    shares_of,
)
from everloop.monitor.controls.e_detector import bets


@controls.register("e_lond")
class ELond(Control):
    """e-LOND (Xu & Ramdas, AISTATS 2024) over the windows, e-BH within one.

    Each feature bets on one window alone, so a slow drift is found later than by ``e_detector``.
    """

    def rule(self, evidence: Mapping[str, Evidence], state: State) -> Ruling:
        tested = int(state.get("tested", 0)) + 1
        found = int(state.get("found", 0))
        level = self.limits.false_alarm_rate * spent(tested) * (found + 1)
        values = {
            name: sum(bet.value for bet in bets(seen.deviations, self.limits.tolerance))
            for name, seen in evidence.items()
        }
        adjusted = adjust_e_values(values, shares_of(evidence))
        alarm = any(value <= level for value in adjusted.values())
        return Ruling(level, adjusted, {"tested": tested, "found": found + alarm})
