"""A made-up loop for the tests: its data, its traffic, and cycles run in this very process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cycling import carry_out as carry_out
from cycling import running as running
from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.loop.answers import PackagedModel
from everloop.loop.declaration import Declaration, from_dict
from everloop.loop.project import Project
from everloop.monitor.spans import DAY

T0 = 1_356_998_400_000  # 2013-01-01, when the traffic begins


def declaration(name: str = "flow", **sections: Any) -> Declaration:
    """The loop over ``rows.csv``; ``sections`` add to its sections or replace their keys."""
    base: dict[str, dict[str, Any]] = {
        "loop": {"name": name},
        "data": {"source": "rows.csv", "target": "y", "time": "t", "id": "id"},
        "train": {"candidates": ["logistic_regression"]},
        "evaluate": {"metric": "accuracy"},
        "monitor": {"performance": {"labels_after": "0s"}},
    }
    for section, values in sections.items():
        base[section] = {**base.get(section, {}), **values}
    return from_dict(base).declaration


def rows(rng: np.random.Generator, day: int, n: int, moved: bool, turned: bool) -> pl.DataFrame:
    """``y`` follows ``x``; ``moved`` shifts ``x``, and ``turned`` makes ``y`` follow ``-x``."""
    x = rng.normal(1.0 if moved else 0.0, 1, n)
    times = (T0 + day * DAY + np.linspace(0, DAY - 1, n)).astype(np.int64)
    return pl.DataFrame(
        {
            "id": [f"{day}-{i}" for i in range(n)],
            "t": pl.Series(times).cast(pl.Datetime("ms")),
            "x": x,
            "z": rng.normal(size=n),
            "y": (-x if turned else x) + rng.normal(0, 0.5, n) > 0,
        }
    )


def write_rows(folder: Path) -> None:
    """Ten days of training rows that end where the traffic begins."""
    rng = np.random.default_rng(0)
    days = [rows(rng, day, 300, False, False) for day in range(-10, 0)]
    pl.concat(days).write_csv(folder / "rows.csv")


class Traffic:
    """What the data plane would have written: the champion's answers, and the labels."""

    def __init__(self, project: Project, endpoint: str = "flow") -> None:
        self.project, self.endpoint = project, endpoint
        self.rng = np.random.default_rng(1)
        self._predictions = SegmentWriter(project.state / "log/predictions", "p")
        self._feedback = SegmentWriter(project.state / "log/feedback", "f")

    def day(
        self,
        day: int,
        *,
        moved: bool = False,
        turned: bool = False,
        scale: float = 1,
        at: int | None = None,
        poisoned: bool = False,
    ) -> None:
        """``poisoned``: whoever labels says that no row is true."""
        frame = rows(self.rng, day, 400, moved, turned)
        if poisoned:
            frame = frame.with_columns(y=pl.lit(False))
        self.send(frame.with_columns(pl.col("z") * scale), at=at)

    def send(
        self,
        frame: pl.DataFrame,
        target: str = "y",
        id: str = "id",
        time: str = "t",
        at: int | None = None,
    ) -> None:
        """Predictions of ``frame`` and their labels; ``at`` is the clock's time, ms."""
        champion = self.project.champion(self.endpoint)
        assert champion is not None
        model = PackagedModel(*self.project.package(champion))
        schema = model.package.schema
        answers = model.answers(frame)
        assert answers.proba is not None
        record = PredictionRecord(
            at=at or int(frame[time].dt.epoch("ms").max()),  # type: ignore[arg-type]
            request=frame[id][0],
            endpoint=self.endpoint,
            version=champion.version,
            arm="champion",
            ids=frame[id].to_list(),
            times=frame[time].dt.epoch("ms").to_list(),
            columns={name: frame[name].to_list() for name in schema.names},
            y=[schema.classes[code] for code in answers.pred],
            p=answers.proba.tolist(),
            ms=1.0,
        )
        self._predictions.append(encode_record(record))
        labels = FeedbackRecord(
            at=record.at, endpoint=self.endpoint, ids=record.ids, labels=frame[target].to_list()
        )
        self._feedback.append(encode_record(labels))
