"""The two streams that the demo replays: a year of flights, and a quick one without a download."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl

from everloop import datasets

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
gates = ["roc_auc >= 0.55", "roc_auc beats champion", "p99_latency_ms <= 20"]

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
gates = ["roc_auc >= 0.55", "roc_auc beats champion", "p99_latency_ms <= 20"]

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
    frame: pl.DataFrame
    loop_file: str
    target: str
    time: str
    id: str
    train_days: int
    fault: Fault

    @property
    def start(self) -> datetime:
        return self.frame[self.time][0]  # type: ignore[no-any-return]

    def training(self) -> pl.DataFrame:
        """The first weeks, with their labels: what the first model is trained on."""
        early = self.frame.slice(0, int(self.frame[self.time].search_sorted(self._replay_from())))
        return early.filter(pl.col(self.target).is_not_null())

    def days(self) -> list[pl.DataFrame]:
        """The rest of the stream, a frame a day, without gaps in the numbering of days."""
        first = self._replay_from()
        times = self.frame[self.time]
        days = math.floor((times[-1] - first) / DAY) + 1
        # The rows are in the order of time, so a day is a slice and costs no copy.
        bounds = [int(times.search_sorted(first + d * DAY)) for d in range(days + 1)]
        return [self.frame.slice(a, b - a) for a, b in pairwise(bounds)]

    def _replay_from(self) -> datetime:
        midnight = self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=self.train_days)

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
        frame=datasets.flights(),
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
        frame=datasets.quick(),
        loop_file=QUICK,
        target="even",
        time="seen_at",
        id="id",
        train_days=28,
        fault=Fault("ink_22", 1000.0, 7, "an upstream system sends ink_22 in thousandths"),
    )
