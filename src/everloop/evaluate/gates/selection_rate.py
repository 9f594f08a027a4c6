"""``selection_rate_ratio by COLUMN >= NUMBER``: no group is chosen far less often than another."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.data.schema import Task
from everloop.errors import invalid
from everloop.evaluate.fairness.by_metric import BY_TASK
from everloop.evaluate.fairness.groups import ratio_interval
from everloop.evaluate.gates._base import (
    FIELD,
    MIN_ROWS,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    bounded,
    matched,
    shown,
)
from everloop.evaluate.gates._columns import groups_of, listed
from everloop.extensions import gates


@gates.register("selection_rate_ratio")
class SelectionRateRatio(Gate):
    """The smallest selection rate of a group, divided by the largest.

    A group's selection rate is the share of its rows that is answered with the positive class;
    0.8 is the four-fifths rule of the US EEOC (1978). Of several columns
    (``by sex, age``) the groups are their intersections. Groups of fewer than 30 rows are left out.
    The interval is that of a ratio of two shares on the logarithmic scale (Katz et al., 1978).
    """

    form = "selection_rate_ratio by COLUMN >= NUMBER"
    words = ("selection_rate_ratio",)

    def __init__(self, text: str, column: str, sign: str, bound: float) -> None:
        super().__init__(text)
        self.column, self.sign, self.bound = column, sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"selection_rate_ratio by (.+?)\s*(>=|>|<=|<)\s*{NUMBER}", text)
        if match is None:
            return None
        if match[2].startswith("<") or not 0 < float(match[3]) <= 1:
            raise invalid(FIELD, text, "selection_rate_ratio by COLUMN >= a number from 0 to 1")
        return cls(text, match[1].strip("\"'"), match[2], float(match[3]))

    @property
    def columns(self) -> tuple[str, ...]:
        return listed(self.column)

    def check_task(self, task: Task) -> None:
        if task != "binary":
            expected = f"a binary target: {task} has no class to be selected with"
            fix = None
            if task in BY_TASK:
                fix = f'Bound a gap: "{BY_TASK[task][0]} gap by {self.column} <= NUMBER".'
            raise invalid(FIELD, self.text, expected, code="wrong_task", fix=fix)

    def check(self, evidence: Evidence) -> GateResult:
        groups = self._groups(evidence)
        judged = {name: g for name, g in groups.items() if g[1] >= MIN_ROWS}
        if len(judged) < 2:
            detail = f"{len(judged)} group of {self.column} has {MIN_ROWS} rows; 2 are needed."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        rate = {name: chosen / rows for name, (chosen, rows) in judged.items()}
        worst, best = min(rate, key=rate.__getitem__), max(rate, key=rate.__getitem__)
        if rate[best] == 0:
            detail = f"No row of any group of {self.column} was selected."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        value = rate[worst] / rate[best]
        low, high = ratio_interval(judged[worst], judged[best])
        verdict = bounded(value, low, high, self.sign, self.bound)
        left_out = len(groups) - len(judged)
        detail = (
            f"{self.column} {worst!r} is selected in {rate[worst]:.1%}, {best!r} in "
            f"{rate[best]:.1%}: ratio {shown(value)} (95 % {shown(low)} to {shown(high)}), "
            f"wanted {self.sign} {shown(self.bound)}"
            + (f"; {left_out} groups of fewer than {MIN_ROWS} rows left out." if left_out else ".")
        )
        return self.result(verdict, detail, value=value, bound=self.bound, low=low, high=high)

    def _groups(self, evidence: Evidence) -> dict[Any, tuple[int, int]]:
        """``(selected, rows)`` of each group; missing values are one."""
        names, codes = groups_of(self, evidence.frame, self.columns)
        rows = np.bincount(codes, minlength=len(names))
        chosen = np.bincount(codes[evidence.challenger.pred == 1], minlength=len(names))
        return {name: (int(chosen[i]), int(rows[i])) for i, name in enumerate(names)}
