"""Past alerts like this one, and what was done about them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from everloop.monitor.windows import Alert, WindowStore

MOST = 5
LOOK_BACK = 1_000  # alerts


class Outcome(msgspec.Struct, frozen=True):
    """What a cycle came to."""

    number: int
    verdict: str | None
    reason: str | None


class Similar(msgspec.Struct, frozen=True):
    """An earlier alert; ``likeness`` is 1 for the same kind, feature and effect."""

    alert: str
    window: int
    summary: str
    likeness: float
    cycle: str | None = None
    outcome: Outcome | None = None


def similar_alerts(
    windows: WindowStore, alert: Alert, outcome: Callable[[str], Outcome | None]
) -> list[Similar]:
    """Earlier alerts of the same kind and feature, the most alike and newest first.

    Those of another feature count half, and those whose effect is farther away less. ``outcome``
    tells what a cycle came to.
    """
    found = []
    for past in windows.alerts(alert.endpoint, kind=alert.kind, limit=LOOK_BACK):
        if past.id != alert.id and past.window <= alert.window:
            like = _likeness(alert, past)
            found.append((like, past))
    found.sort(key=lambda pair: (-pair[0], -pair[1].window, pair[1].id))
    return [
        Similar(
            past.id, past.window, past.summary, like, past.cycle,
            outcome(past.cycle) if past.cycle else None,
        )
        for like, past in found[:MOST]
        if like >= 0.5
    ]  # fmt: skip


def _likeness(alert: Alert, past: Alert) -> float:
    own, other = _effect(alert), _effect(past)
    apart = abs(own - other) / max(abs(own), abs(other), 1e-9)
    same = alert.feature == past.feature
    sort = alert.evidence.get("check") == past.evidence.get("check")
    return round((0.6 if same else 0.2) + 0.2 * sort + 0.2 * (1 - apart), 3)


def _effect(alert: Alert) -> float:
    """How large it was: the effect of a drift, or the loss of a score."""
    evidence = alert.evidence
    if isinstance(effect := evidence.get("effect"), int | float):
        return float(effect)
    value, tested = evidence.get("value"), evidence.get("tested")
    return float(tested - value) if value is not None and tested is not None else 0.0
