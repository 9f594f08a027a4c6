"""What streams are made with: tables as numbers, and river's generators with changes in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

ROWS, WINDOW, FIRST = 100_000, 1_000, 5  # of a generator: rows, rows of a window, windows at first

Parts = tuple[np.ndarray, np.ndarray, list[int], list[tuple[int, int]], int]


def numbers(rows: pl.DataFrame, target: str, left: list[str]) -> tuple[Any, Any, list[int]]:
    rows = rows.drop_nulls(target)
    table = rows.drop([target, *left])
    codes = [n for n, c in enumerate(table) if c.dtype in (pl.Categorical, pl.String)]
    columns = [
        (c.cast(pl.Categorical).to_physical() if n in codes else c).cast(pl.Float64).to_numpy()
        for n, c in enumerate(table)
    ]
    return np.column_stack(columns), rows[target].cast(pl.Float64).to_numpy(), codes


def generated(pairs: Iterator[Any]) -> Parts:
    X, y = [], []
    for x, label in pairs:
        X.append([float(value) for value in x.values()])
        y.append(float(label))
    spans = [(a, a + WINDOW) for a in range(0, len(y), WINDOW)]
    return np.array(X), np.array(y), [], spans, FIRST


def changing(make: Callable[[int], Any], width: int, rows: int = ROWS) -> Iterator[Any]:
    """A new concept at a quarter, a half and three quarters, within ``width`` rows."""
    rng = np.random.default_rng(0)
    concepts = [iter(make(number).take(rows)) for number in range(4)]
    changes = np.array([rows // 4, rows // 2, 3 * rows // 4])
    for place in range(rows):
        chance = 1 / (1 + np.exp(-np.clip(4 * (place - changes) / width, -50, 50)))
        yield next(concepts[int((rng.random(3) < chance).sum())])


def synth() -> Any:
    from river.datasets import synth

    return synth
