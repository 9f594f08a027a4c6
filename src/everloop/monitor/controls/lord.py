"""The false discovery rate over a stream of windows, spent ahead and earned back."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from everloop.extensions import controls
from everloop.monitor.control import Spending
from everloop.monitor.controls._base import Control, Evidence, Ruling, State, adjust_p_values


@controls.register("lord")
class Lord(Control):
    """Benjamini-Hochberg within a window, LORD++ over the windows (see ``control``)."""

    def rule(self, evidence: Mapping[str, Evidence], state: State) -> Ruling:
        spending = msgspec.convert(state, Spending)
        level = spending.level(self.limits.false_alarm_rate)
        adjusted = adjust_p_values(evidence)
        alarm = any(value <= level for value in adjusted.values())
        return Ruling(level, adjusted, msgspec.to_builtins(spending.after(alarm)))
