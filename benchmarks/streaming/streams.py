"""Streams with labels, in windows: real ones with time, and river's generators whose changes are
known. Kept as arrays in a folder, since making some takes a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from everloop import datasets
from everloop.data.schema import Feature, Schema

ROWS, WINDOW, FIRST = 100_000, 1_000, 5  # of a generator: rows, rows of a window, windows at first


@dataclass(frozen=True)
class Stream:
    """n rows of ``X`` and 0 or 1, windows as pairs of places, and how many of them train first."""

    name: str
    X: np.ndarray
    y: np.ndarray
    categories: list[int]
    spans: list[tuple[int, int]]
    first: int

    @property
    def schema(self) -> Schema:
        """Columns of numbers, and of codes that stand for levels."""
        features = []
        for place in range(self.X.shape[1]):
            levels = ()
            if place in self.categories:
                levels = tuple(str(n) for n in range(int(np.nanmax(self.X[:, place])) + 1))
            kind = "category" if levels else "number"
            features.append(Feature(f"x{place}", kind, levels=levels))
        return Schema(task="binary", target="y", features=tuple(features), classes=("0", "1"))


def stream(name: str, folder: Path) -> Stream:
    """By name, from the folder where it was made before."""
    path = folder / f"{name}.npz"
    if not path.exists():
        made = STREAMS[name]()
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, X=made[0], y=made[1], categories=np.array(made[2], int),
                 spans=np.array(made[3]), first=made[4])  # fmt: skip
    with np.load(path) as kept:
        spans = [(int(a), int(b)) for a, b in kept["spans"]]
        codes = kept["categories"].tolist()
        return Stream(name, kept["X"], kept["y"], codes, spans, int(kept["first"]))


Parts = tuple[np.ndarray, np.ndarray, list[int], list[tuple[int, int]], int]


def _flights() -> Parts:
    """Windows of a day, after four weeks."""
    rows = datasets.flights().drop_nulls("late")
    X, y, codes = _numbers(rows, "late", ["flight_id", "scheduled_at"])
    day = rows["scheduled_at"].dt.date().to_physical().to_numpy()
    ends = [*np.flatnonzero(np.diff(day)) + 1, len(day)]
    return X, y, codes, list(zip([0, *ends[:-1]], ends, strict=True)), 28


def _census() -> Parts:
    """Windows of 5,000 persons, after 14 of them."""
    X, y, codes = _numbers(datasets.census(), "employed", ["id", "surveyed_at", "year"])
    spans = [(a, min(a + 5_000, len(y))) for a in range(0, len(y), 5_000)]
    return X, y, codes, spans, 14


def _numbers(rows: pl.DataFrame, target: str, left: list[str]) -> tuple[Any, Any, list[int]]:
    rows = rows.drop_nulls(target)
    table = rows.drop([target, *left])
    codes = [n for n, c in enumerate(table) if c.dtype in (pl.Categorical, pl.String)]
    columns = [
        (c.cast(pl.Categorical).to_physical() if n in codes else c).cast(pl.Float64).to_numpy()
        for n, c in enumerate(table)
    ]
    return np.column_stack(columns), rows[target].cast(pl.Float64).to_numpy(), codes


def _generated(pairs: Iterator[Any]) -> Parts:
    X, y = [], []
    for x, label in pairs:
        X.append([float(value) for value in x.values()])
        y.append(float(label))
    spans = [(a, a + WINDOW) for a in range(0, len(y), WINDOW)]
    return np.array(X), np.array(y), [], spans, FIRST


def _changing(make: Callable[[int], Any], width: int) -> Iterator[Any]:
    """A new concept at a quarter, a half and three quarters, within ``width`` rows."""
    rng = np.random.default_rng(0)
    concepts = [iter(make(number).take(ROWS)) for number in range(4)]
    changes = np.array([ROWS // 4, ROWS // 2, 3 * ROWS // 4])
    for place in range(ROWS):
        chance = 1 / (1 + np.exp(-np.clip(4 * (place - changes) / width, -50, 50)))
        yield next(concepts[int((rng.random(3) < chance).sum())])


def _synth() -> Any:
    from river.datasets import synth

    return synth


def _sea() -> Parts:
    make = _synth().SEA
    return _generated(_changing(lambda k: make(variant=k, noise=0.1, seed=7 + k), 50))


def _agrawal() -> Parts:
    make, functions = _synth().Agrawal, [0, 3, 6, 0]  # the first concept comes again
    return _generated(
        _changing(
            lambda k: make(classification_function=functions[k], perturbation=0.1, seed=7 + k), 500
        )
    )


def _sine() -> Parts:
    make = _synth().Sine
    return _generated(
        _changing(lambda k: make(classification_function=k, has_noise=True, seed=11 + k), 2_000)
    )


def _mixed() -> Parts:
    make = _synth().Mixed
    return _generated(_changing(lambda k: make(classification_function=k % 2, seed=5 + k), 50))


def _hyperplane() -> Parts:
    made = _synth().Hyperplane(
        seed=3, n_features=10, n_drift_features=5, mag_change=0.001, noise_percentage=0.1
    )
    return _generated(made.take(ROWS))


def _rbf() -> Parts:
    made = _synth().RandomRBFDrift(
        seed_model=3, seed_sample=3, n_classes=2, n_features=10, n_centroids=20, change_speed=0.0001
    )
    return _generated(made.take(ROWS))


def _still() -> Parts:
    made = _synth().Agrawal(classification_function=4, perturbation=0.1, seed=9)
    return _generated(made.take(ROWS))


def _plain() -> Parts:
    """Nothing changes, and the first windows tell it all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 6))
    y = (X[:, 0] + rng.logistic(size=ROWS) * 0.5 > 0).astype(float)
    spans = [(a, a + WINDOW) for a in range(0, ROWS, WINDOW)]
    return X, y, [], spans, FIRST


STREAMS: dict[str, Callable[[], Parts]] = {
    "flights": _flights,
    "census": _census,
    "sea": _sea,
    "agrawal": _agrawal,
    "hyperplane": _hyperplane,
    "rbf": _rbf,
    "still": _still,
    "sine": _sine,
    "mixed": _mixed,
    "plain": _plain,
}
