"""The checks of a window's rows together, as :mod:`~everloop.monitor.findings` has of features."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from everloop.data.schema import Schema
from everloop.extensions import quality_checks
from everloop.monitor.inputs import feature_frame
from everloop.monitor.log import PredictionLog
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck, WindowRows
from everloop.monitor.quality.duplicates import share_repeated
from everloop.monitor.quality.expectations import Expectations
from everloop.monitor.quality.volume import NEWEST
from everloop.monitor.windows import Window, WindowStore

BEFORE = 1000  # windows whose numbers of rows are compared
REPEATED = "repeated_ids"  # of a window's checks: the share of its ids that came again


def row_faults(
    log: PredictionLog,
    windows: WindowStore,
    endpoint: str,
    span: tuple[int, int],
    rows: pl.DataFrame,
    schema: Schema,
    expected: Expectations,
) -> Callable[[bool], dict[str, Fault]]:
    """A function that finds the faults by name; of a window that is too small only some."""

    def find(small: bool) -> dict[str, Fault]:
        before = windows.page(endpoint, before=span[0], limit=BEFORE)
        width = span[1] - span[0]
        alike = [w for w in before if w.end - w.start == width and not w.quarantined]
        window = WindowRows(
            ids=rows["id"],
            features=feature_frame(rows, schema),
            schema=schema,
            expected=expected,
            start=span[0],
            end=span[1],
            before=_counts(alike),
            repeated=_repeated([w for w in before if not w.quarantined]),
            misfits=lambda: log.misfits(endpoint, *span, schema),
            strays=lambda: log.strays(endpoint, *span),
        )
        found: dict[str, Fault] = {}
        for _, kind in quality_checks:
            if issubclass(kind, RowsCheck) and (kind.any_size or not small):
                found = kind().look(window) | found
        return found

    return find


def repeated(rows: pl.DataFrame) -> dict[str, float]:
    """What a window's checks keep of ids that came again; nothing where none did."""
    share = share_repeated(rows["id"])
    return {REPEATED: round(share, 4)} if share else {}


def _counts(windows: list[Window]) -> list[tuple[int, int]]:
    """Starts and rows, without windows that were told to have too few or too many."""
    return [(w.start, w.rows) for w in _without(windows, "(volume)")]


def _repeated(windows: list[Window]) -> list[float]:
    """The shares of ids that came again, without windows that were told to have too many."""
    return [float(w.checks.get(REPEATED, 0.0)) for w in _without(windows, "(ids)")]


def _without(windows: list[Window], fault: str) -> list[Window]:
    """The windows that were not told to have the fault.

    When those that were are the most of the newest, they are what is usual now.
    """
    told = [fault in w.checks.get("faults", {}) for w in windows]
    drop = sum(told[:NEWEST]) < len(told[:NEWEST]) / 2
    return [w for w, odd in zip(windows, told, strict=True) if not (odd and drop)]
