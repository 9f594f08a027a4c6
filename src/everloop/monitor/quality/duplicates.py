"""Rows and ids that come again."""

from __future__ import annotations

from everloop.extensions import quality_checks
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows, many


@quality_checks.register("duplicates")
class DuplicatesCheck(RowsCheck):
    """More rows repeat another one, in their id or in all features, than is expected."""

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        found = {}
        n = len(rows.ids)
        for name, what, again, most in (
            ("(ids)", "ids", n - rows.ids.n_unique(), rows.expected.repeated_ids),
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
