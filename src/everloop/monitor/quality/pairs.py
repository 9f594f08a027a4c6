"""Pairs of features that contradict each other."""

from __future__ import annotations

from everloop.extensions import quality_checks
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows, many
from everloop.monitor.quality.rules import broken_by

SHARE = 0.05  # of the rows that a rule says something of


@quality_checks.register("pairs")
class PairsCheck(RowsCheck):
    """A rule that held in every training row is broken by one row in twenty or more."""

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        found = {}
        for rule in rows.expected.rules:
            if not {rule.a, rule.b} <= set(rows.features.columns):
                continue
            broken = broken_by(rule, rows.features).drop_nulls()
            count = int(broken.sum())
            if many(count, len(broken)) and count >= SHARE * len(broken):
                found[f"({rule.a}, {rule.b})"] = Fault(
                    check="pairs",
                    summary=f"{rule.sentence()} no longer holds in {count / len(broken):.1%} of "
                    f"{len(broken):,} rows",
                    quarantine=False,
                    evidence={"rule": rule.sentence(), "broken": count, "of": len(broken)},
                )
        return found
