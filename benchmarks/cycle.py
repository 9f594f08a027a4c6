"""Overhead of a cycle: `loop.run()` against the same library calls bare, in the same minute.

Run: python benchmarks/cycle.py [ROWS] [REPEATS]

Beside the time stands the peak of memory: the proportional share (PSS) of all processes of each
side, looked at 20 times a second. Threads of LightGBM wait without spinning on both sides, since
spinning ones make it several times slower on a machine that does anything else.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import psutil
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


class Peak(threading.Thread):
    """The largest sum of memory that a process and its children held, in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self.megabytes = 0.0

    def run(self) -> None:
        while not self._ended.wait(0.05):
            total = 0
            for process in [self._process, *self._children()]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.megabytes = max(self.megabytes, total / 1e6)

    def end(self) -> float:
        self._ended.set()
        self.join()
        return self.megabytes

    def _children(self) -> Sequence[psutil.Process]:
        try:
            return self._process.children(recursive=True)
        except psutil.Error:
            return []


def watched(command: list[str]) -> tuple[float, float, str]:
    """Seconds, peak MB and standard output of a command."""
    began = time.perf_counter()
    env = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, env=env) as process:
        peak = Peak(process.pid)
        peak.start()
        out, _ = process.communicate()
        spent, megabytes = time.perf_counter() - began, peak.end()
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return spent, megabytes, out


def bare(path: Path) -> tuple[float, float]:
    _, peak, out = watched([sys.executable, "-c", BARE, str(path)])
    return float(out), peak


def cycle(folder: Path) -> tuple[float, float]:
    everloop = str(Path(sys.executable).with_name("everloop"))
    spent, peak, _ = watched([everloop, "run", "--dir", str(folder), "--json"])
    return spent, peak


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else REPEATS
    table = Table("cycle", "bare", "everloop", "overhead", "memory bare", "everloop", box=None)
    pairs = []
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make(folder / "data.parquet", rows)
            (folder / "everloop.toml").write_text(
                '[data]\nsource = "data.parquet"\ntarget = "y"\n'
                '[train]\ncandidates = ["logistic_regression", "lightgbm"]\n'
            )
            pairs.append((bare(folder / "data.parquet"), cycle(folder)))
            (b, m), (c, n) = pairs[-1]
            table.add_row(
                f"{rows:,} rows, run {repeat + 1}", f"{b:.1f} s", f"{c:.1f} s",
                f"{c - b:.1f} s, {c / b - 1:.0%}", f"{m:,.0f} MB", f"{n:,.0f} MB, {n / m:.2f} x",
            )  # fmt: skip
    gap = statistics.median(c[0] - b[0] for b, c in pairs)
    share = statistics.median(c[0] / b[0] - 1 for b, c in pairs)
    memory = statistics.median(c[1] / b[1] for b, c in pairs)
    table.add_row("median", "", "", f"{gap:.1f} s, {share:.0%}", "", f"{memory:.2f} x")
    table.add_row("reach", "", "", "< 5 s at 50,000; 10 % at 1M", "", "1.3 x at 1M")
    Console().print(table)


if __name__ == "__main__":
    main()
