"""What updates may use: cycles, hours of compute, money, each per length of time.

A budget holds back what the loop starts by itself. What a person starts is counted, never held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from everloop.durations import milliseconds, seconds
from everloop.errors import InvalidInput, invalid

FORMS = ("3 cycles per 7d", "2h of compute per 7d", "50 of money per 30d")
_CYCLES = re.compile(r"^(\d+) cycles? per (\S+)$")
_COMPUTE = re.compile(r"^(\S+) of compute per (\S+)$")
_MONEY = re.compile(r"^(\d+(?:\.\d+)?) of money per (\S+)$")


class Spent(msgspec.Struct, frozen=True):
    """What one cycle used.

    ``at`` is event time in ms, ``seconds`` those of its heavy steps; ``trained`` is False where a
    probe alone ran.
    """

    at: int
    seconds: float
    trained: bool = True


class Limit(msgspec.Struct, frozen=True):
    """One line of the budget. ``most`` is in cycles, seconds or money; ``period`` in ms."""

    text: str
    what: Literal["cycles", "compute", "money"]
    most: float
    period: int

    def used(self, spent: Sequence[Spent], now: int, hour: float) -> float:
        """What the cycles of the period before ``now`` (event time) used of it."""
        inside = [cycle for cycle in spent if now - self.period < cycle.at <= now]
        if self.what == "cycles":
            return float(sum(cycle.trained for cycle in inside))
        total = sum(cycle.seconds for cycle in inside)
        return total if self.what == "compute" else total / 3600 * hour

    def said(self, used: float) -> str:
        """One clause with the numbers."""
        shown = f"{used / 60:.1f} minutes" if self.what == "compute" else f"{used:g}"
        return f'{shown} used of the budget "{self.text}"'


def parse_limit(text: str) -> Limit:
    """A line of the budget.

    Raises :class:`~everloop.errors.InvalidInput` when it has none of :data:`FORMS`.
    """
    try:
        if match := _CYCLES.match(text):
            return Limit(text, "cycles", float(match[1]), milliseconds(match[2]))
        if match := _COMPUTE.match(text):
            return Limit(text, "compute", seconds(match[1]), milliseconds(match[2]))
        if match := _MONEY.match(text):
            return Limit(text, "money", float(match[1]), milliseconds(match[2]))
    except InvalidInput:
        pass
    wanted = "lines like " + ", ".join(f'"{form}"' for form in FORMS)
    raise invalid("update.budget", text, wanted, code="unknown_budget")


def exhausted(budget: Sequence[str], spent: Sequence[Spent], now: int, hour: float) -> str | None:
    """A clause about the first line that is used up; None while there is room."""
    for limit in map(parse_limit, budget):
        used = limit.used(spent, now, hour)
        if used >= limit.most:
            return limit.said(used)
    return None


def longest(budget: Sequence[str]) -> int:
    """The longest period of the budget in ms; 0 without one."""
    return max((parse_limit(text).period for text in budget), default=0)
