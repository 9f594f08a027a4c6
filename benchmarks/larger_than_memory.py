"""Profile, sample and train on a file larger than the memory allowed, a batch at a time.

``python benchmarks/larger_than_memory.py --gigabytes 10 --memory 2`` makes a CSV of 10 GB, then
starts a process that surveys it, trains LightGBM in batches, exports ONNX and scores the last
batch; it prints the seconds and the peak resident memory of that process, by the kernel's count,
and fails when the peak is above the limit.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from everloop.train.incremental import fit_batches

from everloop.data.encode import Examples, encode, encode_target
from everloop.data.infer import infer_schema
from everloop.data.spec import DataSpec
from everloop.data.streams import stream, survey
from everloop.evaluate.metrics import get_metric
from everloop.extensions import candidates
from everloop.train.onnx import to_onnx

COLUMNS, ROWS = 20, 200_000


def write(path: Path, gigabytes: float) -> int:
    """Numbers, some missing, and a category; the label follows three of them."""
    rng = np.random.default_rng(0)
    rows = 0
    with path.open("wb") as file:
        while file.tell() < gigabytes * 1e9:
            X = rng.normal(size=(ROWS, COLUMNS))
            frame = pl.DataFrame(X.round(6), [f"x{i}" for i in range(COLUMNS)]).with_columns(
                pl.Series("place", rng.choice(["north", "south", "west"], ROWS)),
                pl.Series("y", X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=ROWS) > 0),
            )
            frame.write_csv(file, include_header=rows == 0)
            rows += ROWS
    return rows


def work(path: Path) -> None:
    """What is measured."""
    started = time.perf_counter()
    found = survey(stream(str(path), path.parent))
    surveyed = time.perf_counter()
    schema = infer_schema(found.sample, DataSpec(source=str(path), target="y")).schema
    candidate = candidates.get("lightgbm")()
    sample = Examples(encode(found.sample, schema), encode_target(found.sample, schema))
    last: list[Examples] = []

    def batches():
        for frame in stream(str(path), path.parent, ROWS):
            last[:] = [Examples(encode(frame, schema), encode_target(frame, schema))]
            if len(last[0]) > 1000:
                half = len(last[0]) // 2
                yield Examples(last[0].X[:half], last[0].y[:half])
                last[:] = [Examples(last[0].X[half:], last[0].y[half:])]

    params = candidate.defaults(found.rows)
    estimator = fit_batches(candidate, schema, params, sample, batches(), 0, trees=5)
    model = to_onnx(estimator, schema, sample.X)
    proba = estimator.predict_proba(last[0].X)
    auc = get_metric("roc_auc").function(last[0].y, proba.argmax(1), proba)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{found.rows:,} rows: survey and sample {surveyed - started:.0f} s, train and export "
        f"{time.perf_counter() - surveyed:.0f} s ({len(model) / 1e6:.1f} MB), ROC AUC of rows that "
        f"did not train {auc:.3f}, peak {peak:.2f} GB"
    )


def main() -> int:
    """Make the file, start the process, judge its peak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--memory", type=float, default=2.0, help="gigabytes allowed")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write(path, options.gigabytes)
        print(f"{path.stat().st_size / 1e9:.2f} GB, {options.memory} GB of memory allowed")
        subprocess.run([sys.executable, __file__, "--work", str(path)], check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    return 0 if peak <= options.memory else 1


if __name__ == "__main__":
    sys.exit(main())
