"""Rows and ids that come again."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from everloop.extensions import quality_checks
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows, many

KNOWN = 3  # windows that tell how many ids usually come again
NEWEST = 20  # of them that are looked at
UNKNOWN = 0.5  # share that is too much anywhere


@quality_checks.register("duplicates")
class DuplicatesCheck(RowsCheck):
    """More rows repeat another one, in their id or in all features, than is expected."""

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        found = {}
        n = len(rows.ids)
        usual = rows.expected.repeated_ids
        usual = _usual(rows.repeated) if usual is None else usual
        for name, what, again, most in (
            ("(ids)", "ids", n - rows.ids.n_unique(), usual),
            ("(rows)", "rows", n - rows.features.n_unique(), rows.expected.repeated_rows),
        ):
            if most is not None and rows.features.width and many(again, n) and again > most * n:
                found[name] = Fault(
                    check="duplicates",
                    summary=f"{again / n:.1%} of the {what} repeat another one, {most:.1%} at most"
                    " is expected",
                    quarantine=False,
                    evidence={"repeated": again, "share": round(again / n, 4), "expected": most},
                )
        return found


def share_repeated(ids: pl.Series) -> float:
    """The share of the rows whose id another one has already."""
    return 1 - ids.n_unique() / len(ids) if len(ids) else 0.0


def _usual(before: Sequence[float]) -> float:
    """The largest share that is expected by the windows before: as that of rows by the training."""
    if len(before) < KNOWN:
        return UNKNOWN
    return min(1.0, 2 * max(before[:NEWEST]) + 0.05)
