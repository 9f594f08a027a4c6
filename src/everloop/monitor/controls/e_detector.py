"""A bounded rate of false alarms for ever: bets that grow while a feature stays away.

An e-value of a window has expectation at most 1 while every difference stays within the
tolerance. Each bet (a direction, a side, a stake) runs as a Shiryaev-Roberts process: after a
window with e-value e it is worth M = (M + 1) · e, as if a new bet were opened at each window and
all were kept. So it needs no start of the change, and recovers from any stretch of quiet. A
feature is worth the weighted mean of its bets; features are named by e-BH at 1 / run length.
Whenever nothing moves, the mean time to a false alarm is at least the run length, over all
features together and whatever their dependence (Shin, Ramdas & Rinaldo, "E-detectors", New
England Journal of Statistics in Data Science 2023).

No finite reference is exact, and no stream is without small change: what is tested is a
difference of at most the tolerance, or of 3.5 standard errors of the reference where that is
more. The e-values are exact for a reference that is known; for one that is sampled, they are
asymptotic.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from everloop.extensions import controls
from everloop.monitor.controls._base import (
    Control,
    Evidence,
    Ruling,
    State,
    adjust_e_values,
    shares_of,
)
from everloop.monitor.deviations import SURE, Deviations

STAKES = (0.6, 1.6, 5.0)  # in standard errors of a window: a weak, a middling, a strong change
FORGOTTEN = 0.01  # a bet worth less is closed
PEAK = 10.0  # times what an alarm needs; worth is cut there, so that an end is seen soon


class Bet(NamedTuple):
    """An e-value and its weight within the feature."""

    name: str
    weight: float
    log_e: float

    @property
    def value(self) -> float:
        return self.weight * math.exp(min(self.log_e, 600.0))


def bets(
    deviations: Deviations | None, tolerance: float, stakes: tuple[float, ...] = STAKES
) -> Iterator[Bet]:
    """All bets on a feature in one window; their weights sum to 1 at most."""
    if deviations is None:
        return
    margin = max(tolerance, SURE * deviations.doubt)
    for direction in deviations.directions:
        for sign, mark in ((1, "+"), (-1, "-")):
            for stake in stakes:
                yield Bet(
                    f"{direction.name} {mark} {stake}",
                    direction.weight / (2 * len(stakes)),
                    direction.log_e(sign, stake, deviations.draws, margin),
                )


@controls.register("e_detector")
class EDetector(Control):
    """The Shiryaev-Roberts e-detector with a tolerance."""

    def rule(self, evidence: Mapping[str, Evidence], state: State) -> Ruling:
        running: dict[str, dict[str, float]] = state.get("bets", {})
        shares = shares_of(evidence)
        after: dict[str, dict[str, float]] = {}
        worth: dict[str, float] = {}
        for name, seen in evidence.items():
            kept = running.get(name, {})
            if seen.deviations is None:
                after[name], worth[name] = kept, 0.0
                continue
            needed = self.limits.run_length / shares[name]
            stakes = STAKES[1:] if seen.brief else STAKES
            grown = {
                bet.name: (bet.weight, self._grown(kept.get(bet.name, 0.0), bet, needed))
                for bet in bets(seen.deviations, self.limits.tolerance, stakes)
            }
            worth[name] = sum(weight * value for weight, value in grown.values())
            after[name] = {
                bet: float(f"{value:.6g}")
                for bet, (_, value) in grown.items()
                if value >= (1.0 if seen.brief else FORGOTTEN)
            }
            if seen.brief and not after[name]:
                del after[name]
        return Ruling(1 / self.limits.run_length, adjust_e_values(worth, shares), {"bets": after})

    def running(self, state: State) -> Collection[str]:
        bets: dict[str, Any] = state.get("bets", {})
        return bets

    def _grown(self, before: float, bet: Bet, needed: float) -> float:
        most = PEAK * needed / bet.weight
        log = math.log1p(before) + bet.log_e
        return most if log >= math.log(most) else math.exp(log)

    def restarted(self, state: State) -> State:
        return {}
