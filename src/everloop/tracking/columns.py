"""Many points of one run as columns: how the native client sends them, and how they are kept.

A point costs 28 bytes and no object of its own, so that a batch is checked, ordered and written
by a few operations on arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sa

from everloop.errors import InvalidInput, TooLarge, invalid
from everloop.store.dialect import insert_columns
from everloop.store.tables import metric_points
from everloop.tracking.checks import check_key
from everloop.tracking.points import LARGEST, keep_newest
from everloop.tracking.wire import MOST_POINTS, Columns


def keep_columns(conn: sa.Connection, run: int, experiment: int, columns: Columns) -> None:
    """Write points of a run in the caller's transaction, as :func:`points.keep_points` does.

    Raises :class:`~everloop.errors.InvalidInput` for columns that do not fit each other.
    """
    key, at, step, value = _arrays(columns)
    if not len(key):
        return
    nan = np.isnan(value)
    value = np.where(nan, 0.0, np.clip(value, -LARGEST, LARGEST))
    # Everybody writes in one order, so that two writers cannot wait for each other.
    rank = np.array(sorted(range(len(columns.keys)), key=columns.keys.__getitem__), np.intp)
    place = np.empty(len(rank), np.intp)
    place[rank] = np.arange(len(rank))
    order = np.lexsort((nan, value, at, step, place[key]))
    key, at, step, value, nan = key[order], at[order], step[order], value[order], nan[order]
    names = [columns.keys[index] for index in key.tolist()]
    rows: dict[str, Any] = {
        "run": [run] * len(names),
        "key": names,
        "at": at.tolist(),
        "step": step.tolist(),
        "value": value.tolist(),
        "nan": nan.tolist(),
    }
    insert_columns(conn, metric_points, rows)
    last = [*np.flatnonzero(np.diff(key)).tolist(), len(names) - 1]
    keep_newest(conn, experiment, [{name: rows[name][i] for name in rows} for i in last])


def _arrays(columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    count = len(columns)
    if count > MOST_POINTS:
        raise TooLarge(
            f"points: got {count}, expected at most {MOST_POINTS} in a batch.", path="points"
        )
    for name, width in (("key", 4), ("at", 8), ("step", 8), ("value", 8)):
        size = len(getattr(columns, name))
        if size != count * width:
            raise invalid(f"points.{name}", f"<{size} bytes>", f"{count * width} bytes")
    for name in columns.keys:
        check_key("metric", name)
    if len(set(columns.keys)) < len(columns.keys):
        raise InvalidInput("points.keys: got a name twice, expected each once.", path="points.keys")
    key = np.frombuffer(columns.key, "<u4")
    if count and int(key.max()) >= len(columns.keys):
        raise invalid("points.key", int(key.max()), f"an index below {len(columns.keys)}")
    return (
        key,
        np.frombuffer(columns.at, "<i8"),
        np.frombuffer(columns.step, "<i8"),
        np.frombuffer(columns.value, "<f8"),
    )
