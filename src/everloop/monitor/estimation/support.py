"""Inputs that the held-out rows had nothing like: what any estimate is a guess about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from everloop.monitor.estimation._base import Rows
from everloop.monitor.estimation.heldout import MISSING, HeldOut

MOST_OUTSIDE = 0.02  # share of the rows outside the range or the levels of a feature
MOST_MISSING = 0.1  # of values, more than were missing before


def outside(held: HeldOut, rows: Rows) -> list[str]:
    """One sentence for each feature that left what the champion was tested on, and one for answers
    of classes of which no calibration knows anything."""
    found = []
    if held.y.ndim == 1 and held.y.dtype.kind in "iu":
        strange = _share(~np.isin(rows.pred, held.y))
        if strange > MOST_OUTSIDE:
            found.append(f"{strange:.0%} of the answers are classes that no held-out row has.")
    for i, scale in enumerate(held.scales):
        beyond, before = (_share(scale.outside(side.codes[:, i])) for side in (rows, held))
        if beyond > MOST_OUTSIDE + before:
            what = "levels" if scale.levels else "range"
            where = f"outside the {what} of the held-out rows"
            found.append(f"{beyond:.0%} of {scale.name} is {where}.")
        missing, known = (_share(side.codes[:, i] == MISSING) for side in (rows, held))
        if missing > MOST_MISSING + known:
            found.append(f"{missing:.0%} of {scale.name} is missing, {known:.0%} were before.")
    return found


def _share(which: NDArray[np.bool_]) -> float:
    return float(which.mean()) if len(which) else 0.0
