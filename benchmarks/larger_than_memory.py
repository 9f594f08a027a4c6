"""A whole cycle over a file larger than the memory allowed, beside one that is trained at once.

``python benchmarks/larger_than_memory.py --gigabytes 10 --memory 2`` writes a file of 10 GB and
goes once round a loop over it, told that 2 GB of memory are free. It prints the seconds of each
step and the peak memory of all processes of the cycle together (each page counted once, as the
kernel tells it five times a second), then what the same loop scores on a file of 100 MB by
reference and at once. It fails when the peak is above the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

NUMBERS, ROWS = 16, 200_000
LOOP_FILE = """\
[loop]
name = "large"
[data]
source = "{file}"
target = "y"
stream = {stream}
[train]
candidates = ["logistic_regression", "lightgbm"]
[evaluate]
gates = ["roc_auc >= 0.6"]
"""


def batch(rng: np.random.Generator) -> pl.DataFrame:
    """Numbers, some missing, whole numbers, a time, a flag and categories; y follows five."""
    X = rng.normal(size=(ROWS, NUMBERS))
    place = rng.choice(["north", "south", "west", "east"], ROWS)
    count = rng.poisson(3, ROWS)
    late = X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * count - (place == "north") + rng.normal(size=ROWS)
    seconds = rng.integers(1_600_000_000, 1_700_000_000, ROWS)
    return pl.DataFrame(X.round(5), [f"x{i}" for i in range(NUMBERS)]).with_columns(
        pl.when(pl.Series(X[:, 3] > 1)).then(None).otherwise("x3").alias("x3"),
        place=pl.Series(place),
        kind=pl.Series(rng.choice([f"kind {i}" for i in range(40)], ROWS)),
        count=pl.Series(count),
        member=pl.Series(rng.random(ROWS) < 0.4),
        at=pl.Series(seconds * 1000).cast(pl.Datetime("ms")),
        y=pl.Series(late > 1),
    )


def write(folder: Path, gigabytes: float, ending: str) -> Path:
    """One CSV, or a folder of Parquet files."""
    rng = np.random.default_rng(0)
    if ending == "parquet":
        (folder / "rows").mkdir()
        number, size = 0, 0
        while size < gigabytes * 1e9:
            path = folder / "rows" / f"{number:05}.parquet"
            pl.concat(batch(rng) for _ in range(5)).write_parquet(path)
            number, size = number + 1, size + path.stat().st_size
        return Path("rows/*.parquet")
    with (folder / "rows.csv").open("wb") as file:
        while file.tell() < gigabytes * 1e9:
            batch(rng).write_csv(file, include_header=file.tell() == 0)
    return Path("rows.csv")


def cycle(folder: Path, file: Path, memory: float, stream: str) -> tuple[dict[str, Any], float]:
    """The cycle's steps and the peak of its processes' memory, in GB."""
    (folder / "everloop.toml").write_text(LOOP_FILE.format(file=file, stream=stream))
    environment = {**os.environ, "EVERLOOP_MEMORY": f"{memory}GB"}
    program = str(Path(sys.executable).with_name("everloop"))
    command = [program, "run", "--dir", str(folder), "--json"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            peak[0] = max(peak[0], sum(map(proportional, tree(process.pid))) / 1e6)

    watcher = threading.Thread(target=look)
    watcher.start()
    said, _ = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(said)
    return {step["step"]: step for step in json.loads(said)["steps"]}, peak[0]


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = task.read_text().split()
        except OSError:
            continue
        found += [p for child in below for p in tree(int(child))]
    return found


def proportional(pid: int) -> int:
    """Kilobytes of a process, shared ones divided among those who share them."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(text.partition("\nPss:")[2].split()[0])


def auc(steps: dict[str, Any]) -> str:
    found = steps["evaluate"]["result"]["metrics"]["roc_auc"]
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"


def show(steps: dict[str, Any], peak: float, size: float) -> None:
    snapshot, train = steps["snapshot"]["result"], steps["train"]["result"]
    features = len(snapshot["schema"]["features"])
    print(f"| {size:.1f} GB | {snapshot['rows']:,} rows, {features} features |")
    print("| --- | --- |")
    for name, step in steps.items():
        print(f"| {name} | {(step['finished'] - step['started']) / 1000:.0f} s |")
    print(f"| peak memory | {peak:.2f} GB |")
    print(f"| ROC AUC of {snapshot['test_rows']:,} held-out rows | {auc(steps)} |")
    print(train.get("streamed", {}).get("note", ""), flush=True)


def main() -> int:
    """Large, then small both ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--memory", type=float, default=2.0, help="gigabytes allowed")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = write(folder, options.gigabytes, options.format)
        steps, peak = cycle(folder, file, options.memory, "true")
        show(steps, peak, sum(p.stat().st_size for p in folder.glob(str(file))) / 1e9)
    for stream in ("true", "false"):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            small, took = cycle(folder, write(folder, 0.1, options.format), 8.0, stream)
            rows = small["snapshot"]["result"]["rows"]
            how = "by reference" if stream == "true" else "at once"
            print(f"{rows:,} rows {how}: ROC AUC {auc(small)}, peak {took:.2f} GB", flush=True)
    return 0 if peak <= options.memory else 1


if __name__ == "__main__":
    sys.exit(main())
