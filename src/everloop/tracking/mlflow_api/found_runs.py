"""The runs of a search as clients read them, straight from the rows of thousands of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.tracking.inputs import inputs_of
from everloop.tracking.mlflow_api.shapes import Metric, Pair, RunData, run_info, uses
from everloop.tracking.points import LATEST
from everloop.tracking.reading import PARAMS, TAGS, run_rows
from everloop.tracking.records import Run


def read_shapes(conn: sa.Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The runs of these numbers, in this order, with what they used and made."""
    if not numbers:
        return []
    data = {number: RunData([], [], []) for number in numbers}
    for number, key, value, nan, at, step in LATEST.read(conn, numbers):
        data[number].metrics.append(Metric(key, "NaN" if nan else value, at, step))
    for number, key, value in PARAMS.read(conn, numbers):
        data[number].params.append(Pair(key, value))
    for number, key, value in TAGS.read(conn, numbers):
        data[number].tags.append(Pair(key, value))
    rows, used = run_rows(conn, numbers), inputs_of(conn, numbers)
    return [
        {
            "info": run_info(Run(**rows[number], params={}, tags={}, metrics={})),
            "data": data[number],
            **uses(used[number]),
        }
        for number in numbers
    ]
