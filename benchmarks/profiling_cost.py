"""What profiling adds to a request, on one core, beside the least that any look would cost.

Run: python benchmarks/profiling_cost.py [--requests 50000]

Requests of 20 features (16 numbers, 4 categories) and an answer, as rows of the prediction log.
Nothing of this runs while a caller waits: the data plane only appends to its log, and the
controller profiles a window when it is over. Told are microseconds of CPU a request, the median of
five rounds: keeping a mergeable profile, with and without twelve segments; counting against the
champion's reference, as workers may; all checks and tests of the window (a tick of the monitors
without reading the log); and as a ceiling one bare pass over the same numbers, which sums them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
import polars as pl

from everloop.data.schema import Feature, Schema
from everloop.monitor.counting import Counting
from everloop.monitor.inputs import Chain, inspect
from everloop.monitor.kept import profile_window
from everloop.monitor.profile import profile
from everloop.monitor.spec import MonitorSpec

NUMBERS, CATEGORIES, ROUNDS, TARGET = 16, 4, 5, 20.0
LEVELS = tuple(f"level {i}" for i in range(12))
SCHEMA = Schema(
    (
        *(Feature(f"x{i}", "number") for i in range(NUMBERS)),
        *(Feature(f"c{i}", "category", LEVELS) for i in range(CATEGORIES)),
    ),
    "y",
    "binary",
    classes=(False, True),
)


def requests(n: int, seed: int) -> pl.DataFrame:
    """Rows as the log tells them, some numbers missing."""
    rng = np.random.default_rng(seed)
    columns: dict[str, object] = {f"x{i}": rng.normal(size=n) for i in range(NUMBERS)}
    columns |= {f"c{i}": rng.choice(LEVELS, n) for i in range(CATEGORIES)}
    p = rng.random(n)
    return pl.DataFrame(columns).with_columns(
        x0=pl.when(pl.Series(rng.random(n) < 0.05)).then(None).otherwise(pl.col("x0")),
        id=pl.int_range(n).cast(pl.String),
        y=pl.Series(p > 0.5),
        p=pl.Series(np.column_stack([1 - p, p])).cast(pl.List(pl.Float64)),
    )


def cost(work: Callable[[], object], n: int) -> float:
    """Microseconds of CPU a request, the median of the rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) / n * 1e6)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=50_000)
    n = parser.parse_args().requests
    rows = requests(n, 1)
    reference = profile(requests(20_000, 0).select(SCHEMA.names), SCHEMA, np.random.rand(20_000))
    arrays = [rows[f"x{i}"].to_numpy() for i in range(NUMBERS)]
    whole = MonitorSpec(sequential=(), multivariate=())

    def counted() -> None:
        Counting(reference).add(rows)

    sides = (
        ("one bare pass over the numbers (ceiling)", lambda: [a.sum() for a in arrays]),
        ("counted against the reference", counted),
        ("a profile that is kept", lambda: profile_window(rows, SCHEMA, ())),
        ("the same with 12 segments", lambda: profile_window(rows, SCHEMA, ("c0",))),
        (
            "all checks and tests of the window",
            lambda: inspect("e", 0, rows, SCHEMA, reference, whole, Chain(), lambda: None),
        ),
    )
    for what, work in sides:
        found = cost(work, n)
        verdict = "" if found < TARGET else f" BEYOND {TARGET:.0f}"
        print(f"{found:8.2f} µs a request{verdict}  {what}")


if __name__ == "__main__":
    main()
