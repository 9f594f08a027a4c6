"""Streams with labels, in windows: real ones with time, and river's generators whose changes are
known. Kept as arrays in a folder, since making some takes a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from everloop import datasets
from everloop.data.schema import Feature, Schema
from streaming.making import FIRST, ROWS, WINDOW, Parts, changing, generated, numbers, synth
from streaming.unseen import UNSEEN


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


def _flights() -> Parts:
    """Windows of a day, after four weeks."""
    rows = datasets.flights().drop_nulls("late")
    X, y, codes = numbers(rows, "late", ["flight_id", "scheduled_at"])
    day = rows["scheduled_at"].dt.date().to_physical().to_numpy()
    ends = [*np.flatnonzero(np.diff(day)) + 1, len(day)]
    return X, y, codes, list(zip([0, *ends[:-1]], ends, strict=True)), 28


def _census() -> Parts:
    """Windows of 5,000 persons, after 14 of them."""
    X, y, codes = numbers(datasets.census(), "employed", ["id", "surveyed_at", "year"])
    spans = [(a, min(a + 5_000, len(y))) for a in range(0, len(y), 5_000)]
    return X, y, codes, spans, 14


def _sea() -> Parts:
    make = synth().SEA
    return generated(changing(lambda k: make(variant=k, noise=0.1, seed=7 + k), 50))


def _agrawal() -> Parts:
    make, functions = synth().Agrawal, [0, 3, 6, 0]  # the first concept comes again
    return generated(
        changing(
            lambda k: make(classification_function=functions[k], perturbation=0.1, seed=7 + k), 500
        )
    )


def _sine() -> Parts:
    make = synth().Sine
    return generated(
        changing(lambda k: make(classification_function=k, has_noise=True, seed=11 + k), 2_000)
    )


def _mixed() -> Parts:
    make = synth().Mixed
    return generated(changing(lambda k: make(classification_function=k % 2, seed=5 + k), 50))


def _hyperplane() -> Parts:
    made = synth().Hyperplane(
        seed=3, n_features=10, n_drift_features=5, mag_change=0.001, noise_percentage=0.1
    )
    return generated(made.take(ROWS))


def _rbf() -> Parts:
    made = synth().RandomRBFDrift(
        seed_model=3, seed_sample=3, n_classes=2, n_features=10, n_centroids=20, change_speed=0.0001
    )
    return generated(made.take(ROWS))


def _still() -> Parts:
    made = synth().Agrawal(classification_function=4, perturbation=0.1, seed=9)
    return generated(made.take(ROWS))


def _plain() -> Parts:
    """Nothing changes, and the first windows tell it all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 6))
    y = (X[:, 0] + rng.logistic(size=ROWS) * 0.5 > 0).astype(float)
    spans = [(a, a + WINDOW) for a in range(0, ROWS, WINDOW)]
    return X, y, [], spans, FIRST


SEEN: dict[str, Callable[[], Parts]] = {
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

STREAMS = SEEN | UNSEEN
