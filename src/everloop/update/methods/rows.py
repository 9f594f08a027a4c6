"""The rows that a method learns from, and the fits that training and reproducing share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from everloop.data.schema import Schema
from everloop.evaluate.metrics import Metric
from everloop.train.fit import Fitted, fit_candidates
from everloop.train.fitting import Report
from everloop.train.nested import NestedEstimate, nested_estimate
from everloop.train.spec import TrainSpec
from everloop.train.training import Training
from everloop.train.validation import Known


@dataclass(frozen=True)
class TrainingRows:
    """Everything a fit reads: n rows of ``X`` and ``y``, and what divides and ranks them.

    ``times`` is the event time of each row in ms; None where rows have none.
    """

    X: np.ndarray
    y: np.ndarray
    schema: Schema
    metric: Metric
    known: Known
    groups: np.ndarray | None
    costs: np.ndarray | None
    seed: int

    @property
    def times(self) -> np.ndarray | None:
        return self.known.times

    def part(self, some: np.ndarray) -> TrainingRows:
        """Some of the rows, by their numbers."""
        groups = None if self.groups is None else self.groups[some]
        return replace(
            self, X=self.X[some], y=self.y[some], known=self.known.of(some, 0), groups=groups
        )

    def fit(self, spec: TrainSpec, report: Report, **more: Any) -> list[Fitted]:
        """The candidates of ``spec``, best first; see :func:`everloop.train.fit.fit_candidates`."""
        return fit_candidates(
            self.X, self.y, self.schema, spec, self.metric.score, self.seed, report,
            **self._around(), **more,
        )  # fmt: skip

    def training(self, spec: TrainSpec) -> Training:
        """The rows with the parts that validate."""
        return Training(
            self.X, self.y, self.schema, self.metric.score, self.seed,
            prepare=spec.prepare, device=spec.device, validation=spec.validation,
            explore=spec.explore,
            **self._around(),
        )  # fmt: skip

    def nested(self, spec: TrainSpec, report: Report, study: Path | None) -> NestedEstimate:
        """How good the whole choice is, by parts that had no say in it."""
        return nested_estimate(
            self.X, self.y, self.schema, spec, self.metric.score, self.seed, report,
            **self._around(), study=study,
        )  # fmt: skip

    def _around(self) -> dict[str, Any]:
        by_time = self.schema.time is not None
        known, groups, costs = self.known, self.groups, self.costs
        return {"time_ordered": by_time, "known": known, "groups": groups, "costs": costs}
