"""The probe's table of methods, and which line of it is taken: values alone, so that a replay can
choose again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

MOST = 0.5  # of the best one's gain, that a cheaper one must bring


class Tried(msgspec.Struct, frozen=True):
    """One line: what a method would have brought on the newest rows.

    ``score`` has the sign "greater is better"; ``low`` and ``high`` bound the gain over the
    champion. ``behind`` is the lower end of what the best brings more; None for the best, and where
    it cannot be told.
    """

    method: str
    window: str
    version: int | None
    score: float | None
    gain: float | None
    low: float | None
    high: float | None
    seconds: float
    behind: float | None = None
    chosen: bool = False
    note: str = ""


def taken(table: Sequence[Tried], needed: float) -> int | None:
    """The place of the line that is taken, cheapest first; None where nothing was compared.

    ``needed`` is the gain from which on an update is worth it.
    """
    told = [(place, one) for place, one in enumerate(table) if one.gain is not None]
    if not told:
        return None
    best_place, best = max(told, key=lambda line: line[1].gain or 0.0)
    for place, one in told:
        if place == best_place or _as_good(one, best, needed):
            return place
    return best_place


def _as_good(one: Tried, best: Tried, needed: float) -> bool:
    gain, low = one.gain or 0.0, one.low or 0.0
    sure = gain >= needed and low > 0
    return sure and gain >= MOST * (best.gain or 0.0) and (one.behind is None or one.behind <= 0)
