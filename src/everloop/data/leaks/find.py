"""All leakage checks over one division of the rows."""

from __future__ import annotations

import polars as pl

from everloop.data.leaks._base import Leak, Sides
from everloop.data.schema import Schema
from everloop.data.splits import Split
from everloop.extensions import leak_checks
from everloop.store.clock import now_ms


def leaks(frame: pl.DataFrame, schema: Schema, parts: Split, now: int | None = None) -> list[Leak]:
    """What leaks from the outcome, the future or the test into the training rows.

    Parameters
    ----------
    frame : rows with the schema's columns and their labels.
    parts : which of them train and which test, see :func:`~everloop.data.splits.split`.
    now : milliseconds since 1970, UTC; the clock's unless given.

    Proven ones come first; what is suspected of a column is left out when it is proven to leak.
    """
    sides = Sides(frame, schema, parts.train, parts.test, now_ms() if now is None else now)
    found = [leak for _, check in leak_checks for leak in check().find(sides)]
    proven = {leak.column for leak in found if leak.level == "leak" and leak.column}
    kept = [x for x in found if x.level == "leak" or x.column not in proven]
    return sorted(kept, key=lambda leak: leak.level != "leak")
