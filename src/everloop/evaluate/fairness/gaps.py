"""How far apart the best and the worst served groups are."""

from __future__ import annotations

import math
from collections.abc import Mapping

from everloop.evaluate.fairness.groups import GroupGap
from everloop.evaluate.metrics import Estimate

LEVEL = 0.05


def widest(metric: str, groups: Mapping[str, Estimate]) -> GroupGap:
    """The greatest value of two or more groups less the least, and its interval.

    Each group's own interval should be wrong with chance :func:`level_of`, since the two ends were
    picked among all groups; the groups are independent. The interval of a difference is recovered
    from those of its parts, which need not be symmetric (MOVER: G. Zou, A. Donner, Statistics in
    Medicine 27, 2008).
    """
    top = max(groups, key=lambda name: groups[name].value)
    bottom = min((name for name in groups if name != top), key=lambda name: groups[name].value)
    high, low = groups[top], groups[bottom]
    value = high.value - low.value
    return GroupGap(
        metric=metric,
        value=value,
        low=max(value - math.hypot(high.value - high.low, low.high - low.value), 0.0),
        high=value + math.hypot(high.high - high.value, low.value - low.low),
        highest=top,
        lowest=bottom,
    )


def level_of(groups: int) -> float:
    """The chance with which each of so many groups' intervals may be wrong (Bonferroni)."""
    return LEVEL / max(groups, 1)
