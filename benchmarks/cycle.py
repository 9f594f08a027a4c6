"""Overhead of a cycle: `loop.run()` against the same library calls bare, in the same minute.

Run: python benchmarks/cycle.py [ROWS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

REPEATS = 3
COLUMNS = 20

BARE = """
import sys, time
began = time.perf_counter()
import polars as pl, lightgbm, numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
frame = pl.read_parquet(sys.argv[1])
X, y = frame.drop("y").to_numpy(), frame["y"].to_numpy()
order = np.random.default_rng(0).permutation(len(y))
test, train = order[: len(y) // 5], order[len(y) // 5 :]
inner, valid = train[: int(len(train) * 0.8)], train[int(len(train) * 0.8) :]
models = [
    make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    lightgbm.LGBMClassifier(n_estimators=100, verbose=-1),
]
def fit(model, rows):
    return model.fit(X[rows], y[rows])
scores = [roc_auc_score(y[valid], fit(m, inner).predict_proba(X[valid])[:, 1]) for m in models]
best = fit(models[int(np.argmax(scores))], train)
auc = roc_auc_score(y[test], best.predict_proba(X[test])[:, 1])
print(time.perf_counter() - began)
"""


def make(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, COLUMNS))
    y = (X @ rng.normal(size=COLUMNS) + X[:, 0] * X[:, 1] + rng.normal(size=rows) * 2 > 0).astype(
        int
    )
    pl.DataFrame({f"x{i}": X[:, i] for i in range(COLUMNS)}).with_columns(
        y=pl.Series(y)
    ).write_parquet(path)


def bare(path: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(path)], check=True, text=True, capture_output=True
    )
    return float(done.stdout)


def cycle(folder: Path) -> float:
    everloop = str(Path(sys.executable).with_name("everloop"))
    began = time.perf_counter()
    subprocess.run(
        [everloop, "run", "--dir", str(folder), "--json"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - began


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    table = Table("cycle", "bare", "everloop", "overhead", "reach", box=None)
    pairs = []
    for repeat in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make(folder / "data.parquet", rows)
            (folder / "everloop.toml").write_text(
                '[data]\nsource = "data.parquet"\ntarget = "y"\n'
                '[train]\ncandidates = ["logistic_regression", "lightgbm"]\n'
            )
            pairs.append((bare(folder / "data.parquet"), cycle(folder)))
            b, c = pairs[-1]
            table.add_row(
                f"{rows:,} rows, run {repeat + 1}", f"{b:.1f} s", f"{c:.1f} s", f"{c - b:.1f} s", ""
            )
    gap = statistics.median(c - b for b, c in pairs)
    table.add_row("median", "", "", f"{gap:.1f} s", "< 5 s")
    Console().print(table)


if __name__ == "__main__":
    main()
