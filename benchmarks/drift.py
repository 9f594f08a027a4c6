"""How fast the drift of two tables is found, on one core, side by side in one run.

Run: python benchmarks/drift.py [--rows 100000] [--mixed] [--only nannyml,alibi-detect]
    [--stream 2000000]
The whole: python benchmarks/drift.py --rows 1000000 --stream 100000000 (a quarter of an hour, most
of it for Evidently, and 2.7 GB of disk).

Two tables of 20 float columns in memory, the second moved by 0.1 standard deviations in three.
With --mixed, 12 of the columns are floats with 5 % missing, 4 have ties (whole numbers) and 4 are
categories. Evidently, NannyML and alibi-detect run with their defaults in environments of their
own below the user's cache folder; NannyML is told to send nothing, and alibi-detect, which answers
NaN where a value is missing, gets each column without its missing ones. "numpy" is what sorting and
exact statistics cost without any library. The kept profile is compared twice, with NumPy's loops
and with those of the extra "fast", which are compiled before the clock runs, as the peers'
libraries are imported before it. --stream writes 16M rows of 20 columns to Parquet, lets the same
files come again under other names until they are so many, counts them against a kept profile (with
the extra, where it is installed), and profiles them without one; then errors of the profile against
exact ranks, beside the bound of its sketch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

import everloop as el
from everloop.data.streams import stream as read
from everloop.monitor import compiled
from everloop.monitor.counting import Counting
from everloop.monitor.findings import compare_features
from everloop.monitor.profile import NumberSketch, Profile
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.summaries.pairs import sketch_column

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from drift_libraries import measured
from environments import EVIDENTLY, NANNYML, python_of

PEERS = {
    "alibi-detect": ["alibi-detect", "numpy<2", "setuptools<80"],
    "nannyml": NANNYML,
    "evidently": EVIDENTLY,
}
COLUMNS, MOVED, SHIFT = 20, 3, 0.1
SPEC = MonitorSpec(tests=("kolmogorov_smirnov", "jensen_shannon", "wasserstein"))
KEPT, FAST = "everloop, kept profile, three statistics", "the same with the extra fast"
CHUNK = 1 << 19  # rows written together
WRITTEN = 32  # files of so many that differ
console = Console(width=120)


def made(rows: int, seed: int, mixed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, column after column in memory, and codes of categories."""
    rng = np.random.default_rng(seed)
    categories = 4 if mixed else 0
    numbers = np.empty((rows, COLUMNS - categories), dtype=np.float64, order="F")
    for i in range(numbers.shape[1]):
        numbers[:, i] = rng.standard_normal(rows)
        if seed and i < MOVED:
            numbers[:, i] += SHIFT
        if mixed and i >= 12:
            numbers[:, i] = np.round(numbers[:, i] * 8)
        elif mixed:
            numbers[rng.random(rows) < 0.05, i] = np.nan
    codes = np.minimum(rng.geometric(0.2, (rows, categories)) - 1, 19).astype(np.int8)
    return numbers, codes


def frame(numbers: np.ndarray, codes: np.ndarray) -> pl.DataFrame:
    """The same as a frame; of numbers without a copy."""
    columns = {f"x{i}": numbers[:, i] for i in range(numbers.shape[1])}
    levels = pl.Series([f"level {k}" for k in range(20)])
    named = {f"c{i}": levels[codes[:, i].astype(np.uint32)] for i in range(codes.shape[1])}
    return pl.DataFrame({**columns, **named})


def by_numpy(before: np.ndarray, now: np.ndarray, kept: list[np.ndarray] | None) -> None:
    """Exact Kolmogorov-Smirnov, Wasserstein, PSI and Jensen-Shannon by sorting."""
    for i in range(before.shape[1]):
        a = np.sort(before[:, i]) if kept is None else kept[i]
        b = np.sort(now[:, i])
        a, b = a[: len(a) - np.isnan(a).sum()], b[: len(b) - np.isnan(b).sum()]
        ranks = np.searchsorted(a, b, side="right") / len(a)
        np.abs(ranks - np.arange(1, len(b) + 1) / len(b)).max()
        steps = np.linspace(0, 1, 4_097)
        np.abs(a[(steps * (len(a) - 1)).astype(int)] - b[(steps * (len(b) - 1)).astype(int)]).mean()
        edges = a[np.linspace(0, len(a) - 1, 11).astype(int)[1:-1]]
        p = np.diff(np.searchsorted(a, edges), prepend=0, append=len(a)) / len(a) + 1e-9
        q = np.diff(np.searchsorted(b, edges), prepend=0, append=len(b)) / len(b) + 1e-9
        ((p - q) * np.log(p / q)).sum()
        m = (p + q) / 2
        np.sqrt((p * np.log(p / m) + q * np.log(q / m)).sum() / 2)


def profiled(table: pl.DataFrame) -> Profile:
    """Every column sorted, exactly."""
    kind = {name: "category" if name[0] == "c" else "number" for name in table.columns}
    return Profile(table.height, {n: sketch_column(table[n], kind[n]) for n in table.columns})  # type: ignore[arg-type]


def ours(before: pl.DataFrame, now: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """By everloop: sorted, by its one line, and counted against a kept profile."""
    yield measured(
        "everloop, both sides sorted, three statistics",
        lambda: compare_features(profiled(before), profiled(now), SPEC),
    )
    yield measured("el.compare(before, now)", lambda: el.compare(before, now))
    reference = profiled(before)

    def counted() -> None:
        counting = Counting(reference)
        counting.add(now)
        found = compare_features(reference, counting.profile(), SPEC)
        assert found["x0"].shift.p_value < 1e-6 or now.height < 50_000

    compiled.PAYS = sys.maxsize  # so that they come when asked for
    yield measured(KEPT, counted)
    if compiled.load():
        yield measured(FAST, counted)


def by_peer(peer: str, folder: Path) -> Iterator[dict[str, Any]]:
    """What the peer takes for the same tables; it inherits our one core."""
    script = Path(__file__).parent / "peers" / "drift_libraries.py"
    command = [str(python_of(peer, PEERS[peer])), str(script), peer, str(folder)]
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    quiet = kept | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, env=quiet, capture_output=True, text=True)
    if done.returncode:
        console.print(f"{peer} failed: {done.stderr.strip().splitlines()[-1:]}")
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def side_by_side(rows: int, mixed: bool, peers: list[str]) -> None:
    (before, codes_before), (now, codes_now) = made(rows, 0, mixed), made(rows, 1, mixed)
    found = [measured("numpy, both sides sorted", lambda: by_numpy(before, now, None))]
    kept = [np.sort(before[:, i]) for i in range(before.shape[1])]
    found.append(measured("numpy, kept sorted reference", lambda: by_numpy(before, now, kept)))
    found += ours(frame(before, codes_before), frame(now, codes_now))
    with tempfile.TemporaryDirectory() as name:
        for side, numbers, codes in (("before", before, codes_before), ("now", now, codes_now)):
            np.save(f"{name}/{side}.npy", numbers)
            np.save(f"{name}/{side}_codes.npy", codes)
        for peer in peers:
            found += by_peer(peer, Path(name))
    fast = next(one["cpu"] for one in reversed(found) if one["what"] in (KEPT, FAST))
    kind = "with missing values, ties and categories" if mixed else "of floats"
    out = Table(title=f"{rows:,} + {rows:,} rows, {COLUMNS} columns {kind}, one core")
    for head in ("", "seconds", "of CPU", "MB above the data", "times the fastest"):
        out.add_column(head, justify="right" if head else "left")
    for one in found:
        told = [f"{one['seconds']:.3f}", f"{one['cpu']:.3f}", f"{one['mb']:.0f}"]
        out.add_row(one["what"], *told, f"{one['cpu'] / fast:.1f}")
    console.print(out)


def stream(rows: int) -> None:
    """Parquet on disk, a batch at a time: against a kept profile, and without one."""
    numbers, codes = made(200_000, 0, False)
    reference = profiled(frame(numbers, codes))
    with tempfile.TemporaryDirectory() as name:
        for part, first in enumerate(range(0, rows, CHUNK)):
            path, size = f"{name}/{part:05}.parquet", min(CHUNK, rows - first)
            if part >= WRITTEN and size == CHUNK:
                os.link(f"{name}/{part % WRITTEN:05}.parquet", path)
                continue
            numbers, codes = made(size, part + 1, False)
            frame(numbers, codes).write_parquet(path, compression="lz4", row_group_size=1 << 17)
        del numbers, codes
        source = f"{name}/*.parquet"

        def counted() -> None:
            counting = Counting(reference)
            for batch in read(source, Path(), 1 << 17):
                counting.add(batch)
            assert counting.rows == rows
            compare_features(reference, counting.profile(), SPEC)

        for what, work in (
            ("counted against a kept profile", counted),
            ("profiled (el.profile)", lambda: el.profile(source)),
        ):
            told = measured(what, work)
            cells = rows * COLUMNS / 1e6
            console.print(
                f"{rows:,} rows of Parquet {what}: {told['seconds']:.1f} s,"
                f" {cells / told['seconds']:.1f}M cells/s ({cells / told['cpu']:.1f}M of CPU),"
                f" {told['mb']:.0f} MB above the start"
            )


def errors(rows: int) -> None:
    """Largest error of a rank, beside the bound of the sketch (99 % confidence)."""
    rng = np.random.default_rng(5)
    for name in ("standard_normal", "standard_cauchy", "standard_exponential"):
        values = getattr(rng, name)(rows)
        column = el.profile(pl.DataFrame({"x": values})).columns["x"]
        sketch = column.sketch()
        assert isinstance(sketch, NumberSketch)
        upto = np.searchsorted(np.sort(values), sketch.points, side="right")
        error = np.abs(upto - np.asarray(sketch.upto)).max() / rows
        bound = column.summary.quantiles.normalized_rank_error(False)  # type: ignore[union-attr]
        verdict = "within" if error <= bound else "BEYOND"
        console.print(f"{name}: rank error {error:.5f}, {verdict} the bound {bound:.5f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--only", default=",".join(PEERS), help="peers, or none")
    parser.add_argument("--stream", type=int, default=2_000_000, help="rows; 0 leaves it out")
    asked = parser.parse_args()
    peers = [peer for peer in asked.only.split(",") if peer in PEERS]
    side_by_side(asked.rows, asked.mixed, peers)
    if asked.stream:
        stream(asked.stream)
    errors(asked.rows)


if __name__ == "__main__":
    main()
