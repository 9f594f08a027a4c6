"""The windows before one: what it may be compared with, and the answers that came before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.monitor.inputs import answers_of, feature_frame, profile_rows
from everloop.monitor.labels import answer_codes, present
from everloop.monitor.likeness import Likeness
from everloop.monitor.log import PredictionLog
from everloop.monitor.profile import Floats
from everloop.monitor.sequence import PAST
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Window, WindowStore

WEEK = 604_800_000
ROLLING = 8  # windows
SEASONS = 4  # weeks back
LOOK_BACK = 64  # windows among which sound ones are looked for


class Past:
    """An endpoint's earlier windows; those in quarantine and those with few rows do not count."""

    def __init__(
        self,
        log: PredictionLog,
        windows: WindowStore,
        endpoint: str,
        schema: Schema,
        spec: MonitorSpec,
    ) -> None:
        self.log, self.windows, self.endpoint = log, windows, endpoint
        self.schema, self.spec = schema, spec

    def likeness(self, start: int, end: int, training: Likeness) -> Likeness:
        """What the window ``[start, end)`` is compared with, as ``[monitor] reference`` says."""
        if self.spec.reference == "training" or not self.spec.drift:
            return training
        if self.spec.reference == "rolling":
            before = [(window.start, window.end) for window in self.sound(start, ROLLING)]
            return self._like(before) if before else training
        return self._seasonal(start, end)

    def sound(self, start: int, most: int) -> list[Window]:
        """The newest windows before ``start`` that can be relied on, newest first."""
        page = self.windows.page(self.endpoint, before=start, limit=LOOK_BACK)
        good = (w for w in page if not w.quarantined and w.rows >= self.spec.min_rows)
        return list(islice(good, most))

    def rows(self, spans: Sequence[tuple[int, int]]) -> pl.DataFrame:
        """The log's rows in the spans, by time."""
        parts = [
            self.log.predictions(self.endpoint, start, end, schema=self.schema)
            for start, end in sorted(spans)
        ]
        return pl.concat(parts, how="diagonal_relaxed")

    def answers(self, start: int) -> Floats:
        """Answers as numbers in the windows before ``start``, by time."""
        spans = [(window.start, window.end) for window in self.sound(start, PAST)]
        return answers_of(self.rows(spans), self.schema) if spans else np.empty(0)

    def errors(self, spans: Sequence[tuple[int, int]]) -> tuple[Floats, list[int]]:
        """How wrong each answer was in the spans, by time, and its time (ms).

        1 or 0 of classes, the distance of numbers, NaN where no label has come.
        """
        rows = self.rows(spans)
        y = self.log.codes(self.endpoint, rows["id"], self.schema)
        pred = answer_codes(rows["y"], self.schema)
        away = np.abs(y - pred)
        away = away if away.ndim == 1 else away.max(axis=1)
        wrong = away if self.schema.numeric else np.where(np.isnan(away), np.nan, away > 0)
        return wrong.astype(np.float64), rows["time"].dt.timestamp("ms").to_list()

    def labels(self, start: int, end: int, held: NDArray[Any] | None) -> NDArray[Any] | None:
        """What the labels of the window ``[start, end)`` are compared with, by time: those of the
        rows before that it is like, or the champion's ``held`` ones; None where none are known."""
        if self.spec.reference == "training":
            return held
        if self.spec.reference == "rolling":
            spans = [(window.start, window.end) for window in self.sound(start, ROLLING)]
        else:
            spans = self._weeks_before(start, end)
        if not spans:
            return None
        y = self.log.codes(self.endpoint, self.rows(spans)["id"], self.schema)
        known = y[present(y)]
        return known if len(known) >= self.spec.min_rows else None

    def _weeks_before(self, start: int, end: int) -> list[tuple[int, int]]:
        """The same hours of earlier weeks; of as many weeks as the window is long."""
        apart = -(-(end - start) // WEEK) * WEEK
        unsound = self.windows.quarantined(self.endpoint)
        return [
            span
            for back in range(1, SEASONS + 1)
            if not _meets(span := (start - back * apart, end - back * apart), unsound)
        ]

    def _seasonal(self, start: int, end: int) -> Likeness:
        apart = -(-(end - start) // WEEK) * WEEK
        spans = self._weeks_before(start, end)
        rows = self.rows(spans) if spans else None
        weeks = 0 if rows is None else _weeks(rows, start, apart)
        if rows is None or weeks < 2 or rows.height < self.spec.min_rows:
            note = f"not enough evidence: {weeks} of 2 earlier weeks with rows at these hours"
            return Likeness(None, None, note)
        return Likeness(profile_rows(rows, self.schema), feature_frame(rows, self.schema))

    def _like(self, spans: Sequence[tuple[int, int]]) -> Likeness:
        rows = self.rows(spans)
        return Likeness(profile_rows(rows, self.schema), feature_frame(rows, self.schema))


def _meets(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)


def _weeks(rows: pl.DataFrame, start: int, apart: int) -> int:
    back = (start - rows["time"].dt.timestamp("ms") - 1) // apart
    return int(back.n_unique()) if rows.height else 0
