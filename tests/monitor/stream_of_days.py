"""A made-up stream of days, written as the data plane would, for the tests of watching it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from everloop.data.schema import Feature, Schema
from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.monitor.log import PredictionLog
from everloop.monitor.performance import Baseline
from everloop.monitor.profile import Profile, profile
from everloop.monitor.spans import DAY
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.watch import Watch
from everloop.monitor.windows import Alert
from everloop.registry.signing import Keys
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.events import EventLog

NAMES = [f"x{i}" for i in range(5)]
SCHEMA = Schema(
    features=(
        *(Feature(name, "number") for name in NAMES),
        Feature("place", "category", ("JFK", "LGA")),
    ),
    target="y",
    task="binary",
    classes=(False, True),
    id="id",
)
BASELINE = Baseline("accuracy", 0.8, 0.78, 0.82)
SPEC = MonitorSpec(window="1d")
T0 = 1_356_998_400_000  # 2013-01-01


def accuracy(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
    return float((y == pred).mean())


class Stream:
    """A made-up stream of days, written as the data plane would, and what watches it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.rng = np.random.default_rng(0)
        self.log = PredictionLog(database, Blobs((folder / "blobs").as_uri()), folder / "log")
        self.events = EventLog(database, Keys.load_or_create(folder / "keys"))
        self.watch = Watch(database, self.log, self.events)
        self.windows = self.watch.windows
        self._predictions = SegmentWriter(folder / "log/predictions", "predictions")
        self._feedback = SegmentWriter(folder / "log/feedback", "feedback")
        self.training = pl.DataFrame(self.columns(4_000))
        self.reference: Profile = profile(self.training, SCHEMA)

    def columns(self, n: int) -> dict[str, list[Any]]:
        values = {name: self.rng.integers(0, 200, n).astype(float).tolist() for name in NAMES}
        return values | {"place": self.rng.choice(["JFK", "LGA"], n).tolist()}

    def day(
        self,
        day: int,
        n: int = 1_000,
        change: Callable[[dict[str, list[Any]]], None] | None = None,
        right: float = 0.8,
        label: bool = True,
        true: float = 0.5,
    ) -> None:
        columns = self.columns(n)
        if change:
            change(columns)
        answers = self.rng.random(n) < true
        truth = np.where(self.rng.random(n) < right, answers, ~answers)
        ids = [f"{day}-{i}" for i in range(n)]
        times = (T0 + day * DAY + np.linspace(0, DAY - 1, n)).astype(int).tolist()
        self._predictions.append(
            encode_record(
                PredictionRecord(
                    at=times[-1],
                    request=f"{day} of {n}",
                    endpoint="e",
                    version=1,
                    arm="champion",
                    ids=ids,
                    times=times,
                    columns=columns,
                    y=answers.tolist(),
                    p=[[1.0 - a, float(a)] for a in answers.tolist()],
                    ms=1.0,
                )
            )
        )
        if label:
            self.label(ids, truth.tolist())

    def label(self, ids: list[str], labels: list[bool]) -> None:
        record = FeedbackRecord(at=1, endpoint="e", ids=ids, labels=labels)
        self._feedback.append(encode_record(record))

    def tick(self, **more: Any) -> list[Alert]:
        self.log.ship()
        return self.watch.tick(
            "e",
            SCHEMA,
            more.pop("reference", self.reference),
            more.pop("baseline", BASELINE),
            more.pop("spec", SPEC),
            more.pop("scores", lambda _: accuracy),
            **more,
        )
