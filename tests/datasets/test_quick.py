"""The small stream: the same each time, and a case in which training again pays."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier
from sklearn.metrics import roc_auc_score

from everloop.datasets.digits import quick


def week(df: pl.DataFrame) -> np.ndarray:
    return ((df["seen_at"] - datetime(2024, 1, 1)).dt.total_days() // 7).to_numpy()


def test_it_is_the_same_each_time_and_in_order():
    df = quick()
    assert df.equals(quick())
    assert not df.equals(quick(seed=1))
    assert df.height == 10_440
    assert df["id"].n_unique() == df.height
    assert df["seen_at"].is_sorted()
    assert np.bincount(week(df)).tolist() == [870] * 12
    ink = df.select(pl.col("^ink.*$"))
    assert ink.width == 16
    assert ink.to_numpy().min() >= 0
    assert ink.to_numpy().max() <= 16


def test_training_again_pays():
    df = quick()
    X, y, when = df.select(pl.col("^ink.*$")).to_numpy(), df["even"].to_numpy(), week(df)
    frozen = score(X, y, train=when < 4, test=when >= 8)
    again = score(X, y, train=when < 8, test=when >= 8)
    assert 0.75 < frozen < 0.90
    assert again > frozen + 0.05


def score(X, y, train, test):
    model = LGBMClassifier(n_estimators=60, n_jobs=1, verbose=-1).fit(X[train], y[train])
    return roc_auc_score(y[test], model.predict_proba(X[test])[:, 1])
