"""Overhead of a cycle: `loop.run()` against the same library calls bare, in the same minute.

Run: python benchmarks/cycle.py [ROWS] [REPEATS]

Beside the time stand the seconds of processor that all processes of each side took, which other
work on the machine disturbs less, and the peak of memory: their proportional share (PSS), looked
at 20 times a second in a run of its own, since looking slows what is looked at. Below are the
steps of the last cycle, by the clock. Threads of LightGBM wait without spinning on both sides,
since spinning ones make it several times slower on a machine that does anything else. Our own
sources are compiled beforehand, as pip compiles what it installs.
"""

from __future__ import annotations

import compileall
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import psutil
from rich.console import Console
from rich.table import Table

import everloop
from everloop.loop.project import Project

REPEATS = 3
ENV = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
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


class Spent(NamedTuple):
    """Seconds by the clock and of processor."""

    seconds: float
    processor: float


def timed(command: list[str]) -> tuple[Spent, str]:
    """What a command took, and its standard output."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, text=True, stdout=subprocess.PIPE, env=ENV, check=True).stdout
    spent, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(spent, processor), out


def peak(command: list[str]) -> float:
    """The most MB that a command and its children hold."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENV) as process:
        watch = Peak(process.pid)
        watch.start()
        process.wait()
        return watch.end()


def bare(path: Path) -> list[str]:
    return [sys.executable, "-c", BARE, str(path)]


def cycle(folder: Path) -> list[str]:
    """A first cycle: nothing is there of the one before."""
    shutil.rmtree(folder / ".everloop", ignore_errors=True)
    everloop = str(Path(sys.executable).with_name("everloop"))
    return [everloop, "run", "--dir", str(folder), "--json"]


def steps(folder: Path) -> str:
    """How long each step of the cycle took."""
    with Project.open(folder) as project:
        (name,) = project.cycles.loop_names()
        (last,) = project.cycles.page(name, limit=1)
        found = project.cycles.steps(last.id)
    took = ((s.step, ((s.finished or s.started) - s.started) / 1000) for s in found)
    return ", ".join(f"{step} {seconds:.1f} s" for step, seconds in took)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else REPEATS
    table = Table(
        "cycle", "bare", "everloop", "overhead", "processor bare", "everloop", "memory bare",
        "everloop", box=None,
    )  # fmt: skip
    pairs, told = [], ""
    compileall.compile_dir(Path(everloop.__file__).parent, quiet=1)
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make(folder / "data.parquet", rows)
            (folder / "everloop.toml").write_text(
                '[data]\nsource = "data.parquet"\ntarget = "y"\n'
                '[train]\ncandidates = ["logistic_regression", "lightgbm"]\n'
            )
            b, out = timed(bare(folder / "data.parquet"))
            c, _ = timed(cycle(folder))
            told = steps(folder)
            b = b._replace(seconds=float(out))
            memory = (peak(bare(folder / "data.parquet")), peak(cycle(folder)))
        pairs.append((b, c, memory))
        table.add_row(
            f"{rows:,} rows, run {repeat + 1}", f"{b.seconds:.1f} s", f"{c.seconds:.1f} s",
            f"{c.seconds - b.seconds:.1f} s, {c.seconds / b.seconds - 1:.0%}",
            f"{b.processor:.1f} s", f"{c.processor:.1f} s, {c.processor / b.processor - 1:.0%}",
            f"{memory[0]:,.0f} MB", f"{memory[1]:,.0f} MB, {memory[1] / memory[0]:.2f} x",
        )  # fmt: skip
    gap = statistics.median(c.seconds - b.seconds for b, c, _ in pairs)
    share = statistics.median(c.seconds / b.seconds - 1 for b, c, _ in pairs)
    worked = statistics.median(c.processor / b.processor - 1 for b, c, _ in pairs)
    held = statistics.median(ours / theirs for _, _, (theirs, ours) in pairs)
    table.add_row(
        "median", "", "", f"{gap:.1f} s, {share:.0%}", "", f"{worked:.0%}", "", f"{held:.2f} x"
    )
    table.add_row("reach", "", "", "< 5 s at 50,000; 10 % at 1M", "", "", "", "1.3 x at 1M")
    Console().print(table)
    Console().print(f"steps of the last cycle: {told}")


if __name__ == "__main__":
    main()
