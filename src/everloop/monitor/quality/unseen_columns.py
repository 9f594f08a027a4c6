"""Requests with columns that the model does not know."""

from __future__ import annotations

from everloop.extensions import quality_checks
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows, many


@quality_checks.register("unseen_columns")
class UnseenColumnsCheck(RowsCheck):
    """A column that is no feature comes with one row in a hundred or more.

    Our own data planes refuse such requests; other servers may take them, and be asked by a caller
    who believes that the model reads the column.
    """

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        n = len(rows.ids)
        shares = {
            name: round(count / n, 4) for name, count in rows.strays().items() if many(count, n)
        }
        if not shares:
            return {}
        told = ", ".join(f"{name!r} in {share:.0%}" for name, share in list(shares.items())[:5])
        return {
            "(columns)": Fault(
                check="unseen_columns",
                summary=f"requests have columns that the model does not know: {told} of the rows",
                quarantine=False,
                evidence={"columns": shares},
            )
        }
