"""Columns that gates read, and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from everloop.errors import did_you_mean, invalid
from everloop.evaluate.fairness.groups import is_cut, levels
from everloop.evaluate.gates._base import FIELD, Gate

MOST_GROUPS = 200


def column_of(gate: Gate, frame: pl.DataFrame, name: str) -> pl.Series:
    """A column of the data. Raises InvalidInput with the nearest name when it is not there."""
    check_column(FIELD, gate.text, name, frame.columns)
    return frame[name]


def check_column(field: str, got: str, name: str, columns: Sequence[str]) -> None:
    """Refuse a column that the data do not have, by raising InvalidInput with the nearest name."""
    if name in columns:
        return
    raise invalid(
        field,
        got,
        f"columns of the data, which have no {name}",
        code="unknown_column",
        fix=did_you_mean(name, columns),
    )


def listed(text: str) -> tuple[str, ...]:
    """The names in ``a, b`` or ``a and b``."""
    names = [part for piece in text.split(",") for part in piece.split(" and ")]
    return tuple(name.strip().strip("\"'") for name in names if name.strip())


def groups_of(
    gate: Gate, frame: pl.DataFrame, columns: tuple[str, ...]
) -> tuple[list[Any], np.ndarray]:
    """Names of the groups (missing is one), and the group of each row as a code.

    Of several columns the groups are their intersections; a number of many values is cut at its
    quartiles, as the report cuts it.
    """
    found = [column_of(gate, frame, name) for name in columns]
    parts = [levels(series) if is_cut(series) else series.to_list() for series in found]
    values = parts[0]
    if len(parts) > 1:
        values = [" × ".join(map(str, together)) for together in zip(*parts, strict=True)]
    names = list(dict.fromkeys(values))
    if len(names) > MOST_GROUPS:
        raise invalid(
            FIELD, gate.text, f"a column of at most {MOST_GROUPS} values, not {len(names)}"
        )
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[v] for v in values], dtype=np.int64)
