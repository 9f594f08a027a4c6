"""Far fewer or far more rows than at this time before."""

from __future__ import annotations

import numpy as np

from everloop.extensions import quality_checks
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows

HOUR, WEEK = 3_600_000, 7 * 86_400_000
ALIKE = 4  # windows of the same hour of the week that are enough
RECENT = 10  # any windows, else
NEWEST = 30
FAR = 6.0  # robust standard deviations of the logarithm of the count
TWICE = 2.0


@quality_checks.register("volume")
class VolumeCheck(RowsCheck):
    """The number of rows is half or twice what it was, and far outside its own dispersion.

    Counts are compared by their logarithms, with those of the same hour of the week where there
    are enough, else with the newest windows; their spread is 1.4826 times the median absolute
    deviation (Hampel, "The influence curve and its role in robust estimation", JASA 69, 1974),
    and at least that of a Poisson count.
    """

    any_size = True

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        n = len(rows.ids)
        if rows.expected.rows is not None:
            low, high = rows.expected.rows
            if low <= n <= high:
                return {}
            return _fault(n, f"{low:,} to {high:,} are expected", {"expected": [low, high]})
        known = _alike(rows)
        if not known:
            return {}
        counts = np.log(np.maximum(known, 0.5))
        middle = float(np.median(counts))
        usual = float(np.exp(middle))
        spread = 1.4826 * float(np.median(np.abs(counts - middle)))
        spread = max(spread, float(np.std(counts)), 1 / np.sqrt(max(usual, 1.0)))
        away = float(np.log(max(n, 0.5))) - middle
        if abs(away) < np.log(TWICE) or abs(away) < FAR * spread:
            return {}
        return _fault(n, f"{usual:,.0f} are usual", {"usual": round(usual, 1)})


def _alike(rows: WindowRows) -> list[int]:
    """The counts to compare with; none where too few are known."""
    same = [n for start, n in rows.before if _hour(start) == _hour(rows.start)]
    if len(same) >= ALIKE:
        return same[:NEWEST]
    recent = [n for _, n in rows.before[:NEWEST]]
    return recent if len(recent) >= RECENT else []


def _hour(start: int) -> int:
    return start % WEEK // HOUR


def _fault(n: int, text: str, evidence: dict[str, object]) -> dict[str, Fault]:
    return {
        "(volume)": Fault(
            check="volume",
            summary=f"the window has {n:,} rows, {text}",
            quarantine=False,
            evidence={"rows": n, **evidence},
        )
    }
