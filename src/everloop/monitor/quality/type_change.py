"""Numbers that come as text, or infinite."""

from __future__ import annotations

from everloop.extensions import quality_checks
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows, many

GONE = 0.5  # more than this share cannot be learned from


@quality_checks.register("type_change")
class TypeChangeCheck(RowsCheck):
    """One value in a hundred or more of a number is infinite, or text that is no number."""

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        n = len(rows.ids)
        return {
            name: Fault(
                check="type_change",
                summary=f"{name} is no finite number in {count / n:.1%} of the rows: "
                + ", ".join(map(repr, some)),
                quarantine=count >= GONE * n,
                evidence={"share": round(count / n, 4), "examples": some},
            )
            for name, (count, some) in rows.misfits().items()
            if many(count, n)
        }
