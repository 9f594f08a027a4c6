"""Asking the version that was replaced about the rows that the new one has answered since.

Both are judged on the same labelled rows, so the difference is what the promotion brought, whatever
the rows were like. Only labels that came count, and no window is measured twice.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import metric_of
from everloop.loop.answers import PackagedModel
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.loop.realised import Due, due, keep
from everloop.monitor.answers import ScoredRows, labelled_rows
from everloop.monitor.dependence import block_estimate
from everloop.monitor.windows import Window
from everloop.update.realised import MeasuredWindow

log = logging.getLogger("everloop.loop")
LEAST = 60  # labelled rows of a window; fewer have no interval
MOST = 5_000  # rows of a window that are asked again, spread over it


def realise(project: Project, declaration: Declaration) -> None:
    """Measure what the newest promotions gained, in each window whose labels have come since."""
    for one in due(project, declaration):
        try:
            _Pair(project, declaration, one).measure()
        except EverloopError as error:  # a version that is gone, or cannot be read
            log.warning("loop %s: %s", declaration.name, error.message)
            note = f"version {one.record.replaced} cannot be asked: {error.message}"
            keep(project, one.cycle, one.record, one.windows[0].start, None, note, over=True)


class _Pair:
    """The new version, whose answers the log has, and the old one, which is asked now."""

    def __init__(self, project: Project, declaration: Declaration, one: Due) -> None:
        self.project, self.declaration, self.due = project, declaration, one
        model, record = one.cycle.loop, one.record
        old = project.registry.version(model, record.replaced)
        new = project.registry.version(model, record.version)
        self.old = PackagedModel(*project.package(old))
        self.schema = project.package(new)[1].schema
        self.metric = metric_of(declaration.evaluate, self.schema)

    def measure(self) -> None:
        record = self.due.record
        if not record.metric:
            record = msgspec.structs.replace(record, metric=self.metric.name)
        for window in self.due.windows:
            if record.over:
                return
            found, note, over = None, "", False
            if not window.quarantined:
                rows = self._rows(window)
                over = rows is None and (bool(record.windows) or self.due.superseded)
                found, note = self._gain(window.start, rows)
            record = keep(self.project, self.due.cycle, record, window.start, found, note, over)

    def _rows(self, window: Window) -> ScoredRows | None:
        """Labelled rows that the new version has answered; None where it answered none."""
        log, endpoint = self.project.log, window.endpoint
        schema = _with_features_of(self.schema, self.old.package.schema)
        hidden = self.declaration.monitor.log.hidden
        rows = log.predictions(endpoint, window.start, window.end, schema=schema, hidden=hidden)
        rows = rows.filter(pl.col("version") == self.due.record.version)
        if not rows.height:
            return None
        step = -(-rows.height // MOST)
        rows = rows.gather_every(step)
        return labelled_rows(rows, log.codes(endpoint, rows["id"], schema), schema)

    def _gain(self, start: int, rows: ScoredRows | None) -> tuple[MeasuredWindow | None, str]:
        if rows is None:
            return None, ""
        hidden = self.declaration.monitor.log.hidden & set(self.old.package.schema.names)
        if hidden:
            names = ", ".join(sorted(hidden))
            return None, f"the log hides {names}, which version {self.due.record.replaced} reads"
        if len(rows.y) < LEAST:
            return None, f"only {len(rows.y)} labelled rows in a window, {LEAST} needed"
        if rows.proba is None and self.metric.needs_probabilities:
            return None, f"{self.metric.name} needs probabilities, which the log does not have"
        if self.schema.task == "bandit" and rows.proba is None:
            return None, "the log has no propensities"
        new, old = Answers(rows.pred, rows.proba), self.old.answers(rows.frame, self.schema)
        truth = self._for_old(rows)

        def apart(places: NDArray[np.intp]) -> float:
            return self._score(rows.y, new, places) - self._score(truth, old, places)

        try:
            found = block_estimate(apart, len(rows.y))
        except (EverloopError, ValueError, ArithmeticError) as error:
            return None, f"{self.metric.name} cannot judge a window's rows: {error}"
        if not (math.isfinite(found.value) and math.isfinite(found.error)):
            return None, f"{self.metric.name} cannot judge a window's rows"
        return MeasuredWindow(start, len(rows.y), found.value, found.error), ""

    def _for_old(self, rows: ScoredRows) -> NDArray[Any]:
        """What the old version's answers are held against: of a bandit what the new one did, since
        nobody knows what the old one would have earned."""
        if self.schema.task != "bandit" or rows.proba is None:
            return rows.y
        return np.column_stack([rows.pred, rows.y, rows.proba[:, 0]])

    def _score(self, y: NDArray[np.generic], answers: Answers, places: NDArray[np.intp]) -> float:
        proba = None if answers.proba is None else answers.proba[places]
        return float(self.metric.score(y[places], answers.pred[places], proba))


def _with_features_of(schema: Schema, other: Schema) -> Schema:
    """The new version's schema, and the features that only the old one reads."""
    more = [feature for feature in other.features if feature.name not in schema.names]
    return msgspec.structs.replace(schema, features=(*schema.features, *more))
