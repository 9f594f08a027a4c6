"""The replay: each day's rows are asked of the endpoint, each day's labels follow a day later."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from everloop.demo.plane import Plane
from everloop.demo.streams import Stream
from everloop.evaluate.metrics import get_metric
from everloop.loop.answers import PackagedModel
from everloop.memory import give_back

Numbers: TypeAlias = "array[float]"
WEEK = 7
ROWS = 200  # of a request
CANARY_ROWS = 10  # of a request while a canary is judged: it is judged by requests
ROLLING_OUT = ("deploy", "promote")


@dataclass
class Week:
    """What one week of the replay came to.

    ``truth``, ``loop`` and ``frozen`` hold a value for each labelled row: the label (0 or 1) and
    the probability of 1 that the endpoint, and version 1 on the very same row, gave.
    """

    number: int
    rows: int = 0
    truth: Numbers = field(default_factory=lambda: array("d"))
    loop: Numbers = field(default_factory=lambda: array("d"))
    frozen: Numbers = field(default_factory=lambda: array("d"))
    versions: list[int] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    action: str = "none"
    decision: str = ""
    cycle: dict[str, Any] | None = None  # that ended in this week
    injected: str | None = None

    def auc(self, who: str) -> float | None:
        """ROC AUC of ``loop`` or ``frozen`` in this week; None with labels of one class."""
        return auc(self.truth, getattr(self, who))


class Replay:
    """Drives the stream through a running everloop, a week at a time."""

    def __init__(
        self, plane: Plane, stream: Stream, frozen: PackagedModel, on_day: Callable[[], None]
    ) -> None:
        self.plane = plane
        self.stream = stream
        self.frozen = frozen
        self.weeks: list[Week] = []
        self._on_day = on_day
        self._due: list[dict[str, Any]] = []  # labels of the day before
        self._cycle: str | None = None  # under way
        self._told: set[str] = set()  # alerts
        self._known: set[str] = set()  # cycles

    def run(self, on_week: Callable[[Week], None]) -> None:
        """Replay every day; ``on_week`` is called when a week's last labels have come."""
        self._begun_by_controller()  # what was there before
        for index, day in enumerate(self.stream.days()):
            if index % WEEK == 0:
                self.weeks.append(Week(index // WEEK + 1))
            self._day(day, self.weeks[-1])
            if index % WEEK == 0 and index:
                # The first day of a week closes the window before it and brings its last labels.
                self._look(self.weeks[-2], on_week)
            self._on_day()
        self._look(self.weeks[-1], on_week)

    def total(self, who: str) -> float | None:
        """ROC AUC over the whole replay, pooled."""
        truth, said = array("d"), array("d")
        for week in self.weeks:
            truth.extend(week.truth)
            said.extend(getattr(week, who))
        return auc(truth, said)

    def _day(self, day: pl.DataFrame, week: Week) -> None:
        fault, target = self.stream.fault, self.stream.target
        if week.number == fault.week:
            week.injected = fault.story
            day = day.with_columns(pl.col(fault.feature) * fault.factor)
        answers: list[float] = []
        rows = ROWS if self._cycle is None else CANARY_ROWS
        for start in range(0, day.height, rows):
            part = day.slice(start, rows).drop(target)
            answer = self.plane.predict(self.stream.name, _columns(part))
            answers += [row[1] for row in answer["probabilities"]]
            if answer["version"] not in week.versions:
                week.versions.append(answer["version"])
        if self._due:
            self.plane.feedback(self.stream.name, self._due)
        self._due = _labels(day, self.stream)
        self._score(day, answers, week)

    def _score(self, day: pl.DataFrame, answers: list[float], week: Week) -> None:
        known = day[self.stream.target].is_not_null().to_numpy()
        week.rows += day.height
        if not known.any():
            return
        proba = self.frozen.answers(day.drop(self.stream.target)).proba
        assert proba is not None
        week.truth.extend(day[self.stream.target].cast(pl.Float64).to_numpy()[known])
        week.loop.extend(np.asarray(answers)[known])
        week.frozen.extend(proba[known, 1].astype(np.float64))

    def _look(self, week: Week, on_week: Callable[[Week], None]) -> None:
        """Have the loop look at its monitors and act, which the controller also does by itself."""
        self._end_cycle(week)
        seen = self.plane.post(f"/api/v1/loops/{self.stream.name}/update")
        week.alerts = [a for a in seen["alerts"] if a["id"] not in self._told]
        self._told.update(a["id"] for a in week.alerts)
        cycle = seen["cycle"] or self._begun_by_controller()
        if cycle is not None:
            self._known.add(cycle["id"])
            week.action, week.decision = seen["decision"]["action"], seen["decision"]["reason"]
        if cycle is not None and cycle["finished"]:
            week.cycle = cycle
        elif cycle is not None:
            self._cycle = cycle["id"]
            self._wait_trained()
        on_week(week)
        give_back()

    def _begun_by_controller(self) -> dict[str, Any] | None:
        """The controller looks every few seconds and may have been first."""
        newest = self.plane.get(f"/api/v1/loops/{self.stream.name}/history?limit=1")["items"][0]
        if newest["id"] in self._known:
            return None
        self._known.add(newest["id"])
        return dict(newest)

    def _wait_trained(self) -> None:
        """Stop the replay's clock while a model is trained; go on when it rolls out."""
        assert self._cycle is not None
        while True:
            cycle = self.plane.cycle(self._cycle)
            if cycle["cycle"]["finished"] or cycle["steps"].keys() & set(ROLLING_OUT):
                return
            time.sleep(0.1)

    def _end_cycle(self, week: Week) -> None:
        """A cycle that began a week ago was judged by this week's traffic."""
        if self._cycle is None:
            return
        while not (found := self.plane.cycle(self._cycle))["cycle"]["finished"]:
            time.sleep(0.1)
        week.cycle = found["cycle"]
        self._cycle = None


def auc(truth: Numbers, said: Numbers) -> float | None:
    """ROC AUC; None when there is one class only."""
    y = np.asarray(truth).astype(np.int64)
    if len(np.unique(y)) < 2:
        return None
    p = np.asarray(said)
    value = get_metric("roc_auc").function(
        y, (p >= 0.5).astype(np.int64), np.column_stack([1 - p, p])
    )
    return float(value)


def _labels(day: pl.DataFrame, stream: Stream) -> list[dict[str, Any]]:
    known = day.filter(pl.col(stream.target).is_not_null())
    pairs = zip(known[stream.id], known[stream.target], strict=True)
    return [{"id": key, "label": label} for key, label in pairs]


def _columns(frame: pl.DataFrame) -> dict[str, list[Any]]:
    columns = {}
    for series in frame:
        if series.dtype.is_temporal():
            series = series.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        columns[series.name] = series.to_list()
    return columns
