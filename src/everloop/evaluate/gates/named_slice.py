"""``METRIC where COLUMN is VALUE >= NUMBER``: the metric on rows that the user names."""

from __future__ import annotations

import numpy as np
import polars as pl

from everloop.data.schema import Task
from everloop.errors import nearest
from everloop.evaluate.gates._base import (
    FIELD,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    bounded,
    check_metric_task,
    matched,
    shown,
    too_little,
)
from everloop.evaluate.gates._champion import metric_in
from everloop.evaluate.gates._columns import column_of
from everloop.evaluate.metrics import Metric, estimate
from everloop.extensions import gates


@gates.register("named_slice")
class NamedSlice(Gate):
    """The metric on the rows whose column has a value; ``COLUMN is missing`` are those without."""

    form = "METRIC where COLUMN is VALUE >= NUMBER"

    def __init__(
        self, text: str, metric: Metric, column: str, value: str, sign: str, bound: float
    ) -> None:
        super().__init__(text)
        self.metric, self.column, self.value = metric, column, value
        self.sign, self.bound = sign, bound

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"(\w+) where (.+?) is (.+?)\s*(>=|<=|>|<)\s*{NUMBER}", text)
        if match is None:
            return None
        column, value = (match[i].strip("\"'") for i in (2, 3))
        return cls(text, metric_in(match[1], text), column, value, match[4], float(match[5]))

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def check_task(self, task: Task) -> None:
        check_metric_task(self.metric, task, FIELD)

    def check(self, evidence: Evidence) -> GateResult:
        own = evidence.on(self._rows(column_of(self, evidence.frame, self.column)))
        reason = too_little(self.metric, own)
        if reason:
            meant = self._meant(evidence.frame[self.column]) if not len(own.y) else ""
            detail = f"Where {self.column} is {self.value}, {reason}{meant}."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        answers = own.challenger
        metric = own.bound(self.metric)
        found = estimate(metric, own.y, answers.pred, answers.proba, own.seed)
        detail = (
            f"Where {self.column} is {self.value}, {metric.name} is {shown(found.value)} "
            f"(95 % {shown(found.low)} to {shown(found.high)}, {found.n} rows), "
            f"wanted {self.sign} {shown(self.bound)}."
        )
        verdict = bounded(found.value, found.low, found.high, self.sign, self.bound)
        return self.result(
            verdict, detail, value=found.value, bound=self.bound, low=found.low, high=found.high
        )

    def _meant(self, values: pl.Series) -> str:
        """The nearest value that there is, of one that no row has."""
        known = values.drop_nulls().unique().cast(pl.String).to_list()
        guess = nearest(self.value, known) if self.value != "missing" else None
        return f"; the nearest value there is {guess!r}" if guess else ""

    def _rows(self, values: pl.Series) -> np.ndarray:
        if self.value == "missing":
            return values.is_null().to_numpy()
        if values.dtype.is_numeric():
            try:
                return (values == float(self.value)).fill_null(False).to_numpy()
            except ValueError:
                return np.zeros(len(values), dtype=bool)
        return (values.cast(pl.String) == self.value).fill_null(False).to_numpy()
