"""Scores without labels: everloop's estimators beside NannyML's CBPE, on the census of 2016-2018.

Run: python benchmarks/without_labels.py [--rows 5000] [--every 1] [--without-nannyml]

A model learns the first half of 2015 and answers all that follows. The second half of 2015, with
its labels, is the reference of every side; 2016 to 2018 come in windows of so many rows, whose
labels nobody sees until each has said what AUC and accuracy it expects. The error of an estimate
is its distance from the score with labels. Printed are mean absolute errors, their difference to
NannyML's on the same windows with a 95 % interval (paired, resampled windows), and how often
everloop's interval held the score. --every 4 looks at each fourth window only. NannyML runs in an
environment of its own below the user's cache folder, with its telemetry switched off.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from typing import NamedTuple

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier
from peers.environments import NANNYML, python_of
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import everloop as el
from everloop.data.schema import Feature, Schema
from everloop.evaluate.metrics import get_metric
from everloop.monitor.estimation._base import Rows
from everloop.monitor.estimation.estimate import believe, estimate, estimator_for
from everloop.monitor.estimation.heldout import hold
from everloop.monitor.gauges import Gauge

METRICS = ("roc_auc", "accuracy")
METHODS = ("adaptive", "cbpe", "pape", "m_cbpe")
RESAMPLES = 10_000

PEER = """
import os, sys
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
import numpy as np, pandas as pd, nannyml as nml
folder, size, metrics = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(",")
def frame(name):
    file = np.load(f"{folder}/{name}.npz")
    return pd.DataFrame({"p": file["p"], "pred": (file["p"] > 0.5).astype(int), "y": file["y"]})
cbpe = nml.CBPE(y_pred_proba="p", y_pred="pred", y_true="y", metrics=metrics, chunk_size=size,
                problem_type="classification_binary")
cbpe.fit(frame("reference"))
found = cbpe.estimate(frame("windows").drop(columns="y")).filter(period="analysis").to_df()
np.save(f"{folder}/found.npy", np.column_stack([found[(m, "value")] for m in metrics]))
"""


class Stream(NamedTuple):
    """Rows in time order after those that trained: the first are the reference."""

    frame: pl.DataFrame
    y: np.ndarray
    p: np.ndarray
    reference: int

    def proba(self, rows: slice) -> np.ndarray:
        return np.column_stack([1 - self.p[rows], self.p[rows]])


def stream(kind: str) -> tuple[Stream, Schema]:
    """The census as a model of this kind answers it."""
    persons = el.datasets.census().sort("surveyed_at")
    names = [c for c in persons.columns if c not in ("id", "surveyed_at", "year", "employed")]
    text = [name for name in names if name != "AGEP"]
    persons = persons.with_columns(pl.col(text).cast(pl.String).fill_null("none"))
    known = int((persons["year"] == 2015).sum())
    levels = {name: tuple(persons[name][:known].value_counts(sort=True)[name]) for name in text}
    codes = [pl.col(n).replace_strict(v, range(len(v)), default=-1) for n, v in levels.items()]
    X = persons.select(pl.col("AGEP").cast(pl.Float64), *codes).to_numpy()
    y = persons["employed"].to_numpy().astype(np.int64)
    one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=50)
    model = {
        "lightgbm": LGBMClassifier(n_estimators=100, num_threads=1, verbose=-1, random_state=0),
        "logistic": make_pipeline(one_hot, LogisticRegression(max_iter=300)),
    }[kind].fit(X[: known // 2], y[: known // 2])
    later = slice(known // 2, None)
    features = [Feature("AGEP", "number")]
    features += [Feature(name, "category", found) for name, found in levels.items()]
    schema = Schema(tuple(features), "employed", "binary", (False, True))
    p = model.predict_proba(X[later])[:, 1]
    return Stream(persons.select(names)[later], y[later], p, known - known // 2), schema


def windows(made: Stream, size: int, every: int) -> list[slice]:
    starts = range(made.reference, len(made.y) - size + 1, size)
    return [slice(start, start + size) for start in list(starts)[::every]]


def ours(
    made: Stream, schema: Schema, parts: list[slice], method: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Estimates (windows by metrics), whether the interval held, and seconds a window."""
    pred = (made.p > 0.5).astype(np.int64)
    first = slice(0, made.reference)
    held = hold(made.frame[first], schema, made.y[first], pred[first], made.proba(first))
    metrics = [get_metric(name) for name in METRICS]
    gauges = [Gauge(m.name, m.function, m.greater_is_better, m.bounds) for m in metrics]
    chosen = estimator_for(method, "binary")
    assert chosen is not None
    values, held_it, begun = [], [], time.process_time()
    name, estimator = chosen
    for part in parts:
        rows = Rows(held.encode(made.frame[part], schema), pred[part], made.proba(part))
        found = estimate(name, estimator, held, believe(estimator, held, rows), len(rows), gauges)
        own = [found.metrics[name] for name in METRICS]
        values.append([o.value for o in own])
        real = [m.function(made.y[part], pred[part], made.proba(part)) for m in metrics]
        held_it.append([o.low <= r <= o.high for o, r in zip(own, real, strict=True)])
    seconds = (time.process_time() - begun) / len(parts)
    return np.array(values), np.array(held_it), seconds


def measured(made: Stream, parts: list[slice]) -> np.ndarray:
    """The scores with labels, windows by metrics."""
    pred = (made.p > 0.5).astype(np.int64)
    return np.array(
        [
            [get_metric(m).function(made.y[s], pred[s], made.proba(s)) for m in METRICS]
            for s in parts
        ]
    )


def nannyml(made: Stream, parts: list[slice]) -> np.ndarray:
    """The estimates of NannyML's CBPE for the same windows."""
    rows = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    with tempfile.TemporaryDirectory() as folder:
        first = slice(0, made.reference)
        np.savez(f"{folder}/reference.npz", p=made.p[first], y=made.y[first])
        np.savez(f"{folder}/windows.npz", p=made.p[rows], y=made.y[rows])
        size = parts[0].stop - parts[0].start
        command = [
            str(python_of("nannyml", NANNYML)),
            "-c",
            PEER,
            folder,
            str(size),
            ",".join(METRICS),
        ]
        quiet = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "PYTHONWARNINGS": "ignore"}
        subprocess.run(command, check=True, env=quiet, capture_output=True)
        return np.asarray(np.load(f"{folder}/found.npy"))


def paired(errors: np.ndarray, peers: np.ndarray) -> str:
    """The difference of mean absolute errors, and the interval of resampled windows."""
    away = errors - peers
    chosen = np.random.default_rng(0).integers(0, len(away), (RESAMPLES, len(away)))
    low, high = np.quantile(away[chosen].mean(axis=1), [0.025, 0.975])
    return f"{away.mean():+.5f} ({low:+.5f} to {high:+.5f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--without-nannyml", action="store_true")
    args = parser.parse_args()
    for kind in ("lightgbm", "logistic"):
        made, schema = stream(kind)
        parts = windows(made, args.rows, args.every)
        real = measured(made, parts)
        tested = measured(made, [slice(0, made.reference)])[0]
        theirs = None if args.without_nannyml else np.abs(nannyml(made, parts) - real)
        table = Table(title=f"{kind}: mean absolute error over {len(parts)} windows")
        for column in ("estimate", *METRICS, *(f"{m} against NannyML" for m in METRICS)):
            table.add_column(column)
        table.add_column("intervals that held")
        table.add_column("CPU s a window")
        still = np.abs(tested - real)
        table.add_row("the test's score", *(f"{v:.5f}" for v in still.mean(axis=0)))
        if theirs is not None:
            table.add_row(f"{NANNYML[0]} CBPE", *(f"{v:.5f}" for v in theirs.mean(axis=0)))
        for method in METHODS:
            values, inside, seconds = ours(made, schema, parts, method)
            errors = np.abs(values - real)
            beside = [
                "" if theirs is None else paired(errors[:, i], theirs[:, i])
                for i in range(len(METRICS))
            ]
            held = ", ".join(f"{share:.0%}" for share in inside.mean(axis=0))
            row = [*(f"{v:.5f}" for v in errors.mean(axis=0)), *beside, held, f"{seconds:.2f}"]
            table.add_row(f"everloop {method}", *row)
        Console(width=150).print(table)


if __name__ == "__main__":
    main()
