"""The two streams that the demo replays: a year of flights, and a quick one without a download."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import polars as pl

from everloop import datasets
from everloop.datasets.departures import scan_flights

DAY = timedelta(days=1)
MILES_TO_KM = 1.609344

FLIGHTS = """\
[loop]
name = "flights"
description = "Will this flight arrive more than 15 minutes late?"

[data]
source = "data/*.parquet"
target = "late"
time = "scheduled_at"
id = "flight_id"

[train]
candidates = ["logistic_regression", "random_forest", "lightgbm"]

[evaluate]
metric = "roc_auc"
holdout = "7d"
gates = ["roc_auc >= 0.55", "roc_auc beats champion", "p99_latency_ms <= 50"]

[deploy]
rollout = { kind = "canary", steps = [0.05, 0.25, 1.0], min_requests = 10, hold = "10s" }

[monitor]
window = "7d"
performance = { labels_after = "1d" }

[update]
when = ["drift", "performance"]
cooldown = "14d"
"""

QUICK = """\
[loop]
name = "quick"
description = "Is this handwritten digit even? The digits change over the weeks."

[data]
source = "data/*.parquet"
target = "even"
time = "seen_at"
id = "id"

[train]
candidates = ["logistic_regression", "decision_tree", "lightgbm"]

[evaluate]
metric = "roc_auc"
holdout = "7d"
gates = ["roc_auc >= 0.55", "roc_auc beats champion", "p99_latency_ms <= 50"]

[deploy]
rollout = { kind = "canary", steps = [0.1, 1.0], min_requests = 10, hold = "10s" }

[monitor]
window = "7d"
performance = { labels_after = "1d" }

[update]
when = ["drift", "performance"]
"""


@dataclass(frozen=True)
class Fault:
    """An upstream change of unit, injected by the demo and said to be so."""

    feature: str
    factor: float
    week: int  # of the replay, from 1
    story: str


@dataclass(frozen=True)
class Stream:
    """Rows in the order of time, the loop file to run over them, and the fault to inject."""

    name: str
    rows: pl.LazyFrame  # a day of it is in memory at a time
    loop_file: str
    target: str
    time: str
    id: str
    train_days: int
    fault: Fault

    def training(self) -> pl.DataFrame:
        """The first weeks, with their labels: what the first model is trained on."""
        early = self.rows.slice(0, self._bounds[0]).collect()
        return early.filter(pl.col(self.target).is_not_null())

    @property
    def replayed(self) -> int:
        """How many rows come after the first weeks."""
        return self._bounds[-1] - self._bounds[0]

    @property
    def day_count(self) -> int:
        return len(self._bounds) - 1

    def days(self) -> Iterator[pl.DataFrame]:
        """The rest of the stream, a frame a day, without gaps in the numbering of days."""
        for first, after in pairwise(self._bounds):
            yield self.rows.slice(first, after - first).collect()

    @cached_property
    def _bounds(self) -> list[int]:
        """The first row of each day of the replay, and the number of all rows at the end."""
        times = self.rows.select(self.time).collect()[self.time]
        midnight = times[0].replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight + timedelta(days=self.train_days)
        days = math.floor((times[-1] - first) / DAY) + 1
        return [int(times.search_sorted(first + d * DAY)) for d in range(days + 1)]

    def write(self, folder: Path) -> None:
        """Lay out the project's folder: the training data and the loop file."""
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self.training().write_parquet(folder / "data" / f"{self.name}.parquet")
        (folder / "everloop.toml").write_text(self.loop_file, encoding="utf-8")


def flights(progress: Callable[[str], None]) -> Stream:
    """New York's departures of 2013."""
    progress("getting the flights of 2013 (8.7 MB, once)")
    return Stream(
        name="flights",
        rows=scan_flights(progress),
        loop_file=FLIGHTS,
        target="late",
        time="scheduled_at",
        id="flight_id",
        train_days=28,
        fault=Fault(
            "distance",
            MILES_TO_KM,
            31,
            "an upstream system sends the distance in kilometres instead of miles",
        ),
    )


def quick(progress: Callable[[str], None]) -> Stream:
    """The quick stream; see :func:`everloop.datasets.quick` for how it is made."""
    progress("making the quick stream")
    return Stream(
        name="quick",
        rows=datasets.quick().lazy(),
        loop_file=QUICK,
        target="even",
        time="seen_at",
        id="id",
        train_days=28,
        fault=Fault("ink_22", 1000.0, 7, "an upstream system sends ink_22 in thousandths"),
    )
