"""Values that a person's file of expectations does not allow."""

from __future__ import annotations

import polars as pl

from everloop.extensions import quality_checks
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows, many
from everloop.monitor.quality.expectations import Expected


@quality_checks.register("expected")
class ExpectedCheck(RowsCheck):
    """One row in a hundred or more lies outside the range or the levels, or too many miss."""

    def look(self, rows: WindowRows) -> dict[str, Fault]:
        found = {}
        for name, expected in rows.expected.features.items():
            if name in rows.features.columns:
                fault = _fault(name, rows.features[name], expected)
                if fault is not None:
                    found[name] = fault
        return found


def _fault(name: str, column: pl.Series, expected: Expected) -> Fault | None:
    n = len(column)
    missing = column.null_count() / n if n else 0.0
    if expected.missing is not None and missing > expected.missing and many(int(missing * n), n):
        text = f"{name} is missing in {missing:.1%} of the rows, {expected.missing:.1%} at most"
        return _said(text + " is expected", {"share": round(missing, 4)})
    values = column.drop_nulls()
    outside, allowed = _outside(values, expected)
    count = outside.len()
    if not many(count, n):
        return None
    some = outside.unique().sort().head(5).to_list()
    text = f"{name} is not {allowed} in {count / n:.1%} of the rows"
    return _said(text, {"share": round(count / n, 4), "examples": [str(v) for v in some]})


def _outside(values: pl.Series, expected: Expected) -> tuple[pl.Series, str]:
    if expected.range is not None and values.dtype.is_numeric():
        low, high = expected.range
        return values.filter(~values.is_between(low, high)), f"from {low:.4g} to {high:.4g}"
    if expected.levels is not None:
        texts = values.cast(pl.String)
        known = pl.Series(expected.levels, dtype=pl.String)
        return texts.filter(~texts.is_in(known.implode())), "one of the expected levels"
    return values.clear(), ""


def _said(summary: str, evidence: dict[str, object]) -> Fault:
    return Fault(check="expected", summary=summary, quarantine=False, evidence=evidence)
