"""Public sets that lie inside scikit-learn, river and `everloop.datasets`, as X and y."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import polars.selectors as cs
from river import datasets as streams
from sklearn import datasets

from everloop import datasets as tables

LARGE = 40_000  # rows of the large sets
DEPARTURE = ("flight_id", "scheduled_at")

Data = tuple[pl.DataFrame, np.ndarray]


def stream(source: object, limit: int = 6_000) -> Data:
    """A set of river; texts and dates are left out."""
    pairs = list(source.take(limit))  # type: ignore[attr-defined]
    names = [k for k, v in pairs[0][0].items() if isinstance(v, int | float)]
    X = pl.DataFrame([[float(row[name]) for name in names] for row, _ in pairs], orient="row")
    y = np.array([target for _, target in pairs])
    return X, y if y.dtype.kind == "f" else np.unique(y, return_inverse=True)[1]


def of_sklearn(load: Callable[..., object]) -> Data:
    found = load()
    return pl.DataFrame(found.data), found.target  # type: ignore[attr-defined]


def table(load: Callable[[], pl.DataFrame], target: str, without: tuple[str, ...]) -> Data:
    """A set of everloop.datasets: numbers as floats, everything else as words."""
    frame = load().drop(without).drop_nulls(target)
    frame = frame.sample(min(frame.height, LARGE), shuffle=True, seed=0)
    X = frame.drop(target).with_columns(
        cs.numeric().cast(pl.Float64), (~cs.numeric()).cast(pl.String)
    )
    return X, frame[target].cast(pl.Int64).to_numpy()


SETS: dict[str, tuple[str, Callable[[], Data]]] = {
    "breast_cancer": ("classification", lambda: of_sklearn(datasets.load_breast_cancer)),
    "wine": ("classification", lambda: of_sklearn(datasets.load_wine)),
    "digits": ("classification", lambda: of_sklearn(datasets.load_digits)),
    "phishing": ("classification", lambda: stream(streams.Phishing())),
    "bananas": ("classification", lambda: stream(streams.Bananas())),
    "segments": ("classification", lambda: stream(streams.ImageSegments())),
    "diabetes": ("regression", lambda: of_sklearn(datasets.load_diabetes)),
    "trump_approval": ("regression", lambda: stream(streams.TrumpApproval())),
    "credit": ("classification", lambda: table(tables.credit, "paid_back", ("loan", "age_group"))),
    "census": ("classification", lambda: table(tables.census, "employed", ("id", "surveyed_at"))),
    "flights": ("classification", lambda: table(tables.flights, "late", DEPARTURE)),
}
