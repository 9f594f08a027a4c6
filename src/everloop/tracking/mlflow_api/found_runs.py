"""The runs of a search as clients read them, straight from the rows of thousands of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.tables import run_params, run_tags
from everloop.tracking.inputs import inputs_of
from everloop.tracking.mlflow_api.shapes import Metric, RunData, run_info, uses
from everloop.tracking.of_runs import PairsOfRuns
from everloop.tracking.points import LATEST
from everloop.tracking.reading import run_rows
from everloop.tracking.records import Run

_PARAMS, _TAGS = PairsOfRuns(run_params), PairsOfRuns(run_tags)


def read_shapes(conn: sa.Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The runs of these numbers, in this order, with what they used and made."""
    if not numbers:
        return []
    metrics: dict[int, list[Metric]] = {number: [] for number in numbers}
    for number, key, value, nan, at, step in LATEST.read(conn, numbers):
        metrics[number].append(Metric(key, "NaN" if nan else value, at, step))
    params, tags = _PARAMS.read(conn, numbers), _TAGS.read(conn, numbers)
    rows, used = run_rows(conn, numbers), inputs_of(conn, numbers)
    return [
        {
            "info": run_info(Run(**rows[number], params={}, tags={}, metrics={})),
            "data": RunData(metrics[number], _raw(params, number), _raw(tags, number)),
            **uses(used[number]),
        }
        for number in numbers
    ]


def _raw(pairs: Mapping[int, str], number: int) -> msgspec.Raw:
    return msgspec.Raw(pairs.get(number, "[]").encode())
