"""The rows that candidates are compared on, and how a set of parameters is scored on them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np

from everloop.data.schema import Schema
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting, Pruned, Report, never, silent
from everloop.train.predictions import predict
from everloop.train.validation import folds

Prune = Callable[[int, float], bool]
TIME_ONLY = -1  # a step that says nothing but "is the time up?"


class Score(Protocol):
    """How good answers are; greater is better, NaN when these rows cannot tell."""

    def __call__(
        self,
        y: np.ndarray,
        pred: np.ndarray,
        proba: np.ndarray | None,
        groups: np.ndarray | None = None,
    ) -> float: ...


@dataclass(frozen=True)
class Validated:
    """What validation found: the mean score, and the parameters that fitting settled itself."""

    score: float
    settled: dict[str, Any]


class Training:
    """Rows of ``X`` and ``y``, divided into parts to fit and parts to validate on."""

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        schema: Schema,
        score: Score,
        seed: int,
        time_ordered: bool = False,
        groups: np.ndarray | None = None,
        parts: list[tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> None:
        self.X, self.y, self.schema, self.score, self.seed = X, y, schema, score, seed
        self.time_ordered, self.groups = time_ordered, groups
        self._parts = parts

    @property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pairs of row numbers: those to fit on, those to validate on."""
        if self._parts is None:
            self._parts = folds(
                self.y,
                classification=not self.schema.numeric,
                time_ordered=self.time_ordered,
                seed=self.seed,
            )
        return self._parts

    def validate(
        self,
        candidate: Candidate,
        params: dict[str, Any],
        *,
        early_stopping: bool = False,
        prune: Prune = never,
        report: Report = silent,
    ) -> Validated:
        """Mean score over the parts that can be scored; NaN when none can.

        Raises :class:`~everloop.train.fitting.Pruned` when ``prune`` says so: asked after each
        part, or within the fit when there is one part only.
        """
        values: list[float] = []
        settled: list[dict[str, Any]] = []
        several = len(self.folds) > 1
        within: Prune = (lambda _step, value: prune(TIME_ONLY, value)) if several else prune
        for number, (fit_rows, rows) in enumerate(self.folds):
            together = None if self.groups is None else self.groups[rows]
            around = Fitting(
                validation=(self.X[rows], self.y[rows]) if early_stopping else None,
                groups=None if self.groups is None else self.groups[fit_rows],
                validation_groups=together if early_stopping else None,
                report=report,
                prune=within,
            )
            estimator, _ = self.fit(candidate, params, fit_rows, around)
            settled.append(candidate.settled(estimator) if early_stopping else {})
            pred, proba = predict(estimator, self.X[rows], self.schema)
            extra = () if together is None else (together,)
            values.append(self.score(self.y[rows], pred, proba, *extra))
            if several and number + 1 < len(self.folds) and prune(number, _mean(values)):
                raise Pruned
        return Validated(_mean(values), _middle(settled))

    def fit(
        self,
        candidate: Candidate,
        params: dict[str, Any],
        rows: np.ndarray | slice,
        around: Fitting | None = None,
    ) -> tuple[Any, tuple[str, ...]]:
        """A fitted pipeline and the warnings it raised."""
        if around is None:
            around = Fitting(groups=None if self.groups is None else self.groups[rows])
        estimator = candidate.build(self.schema, self.schema.task, self.seed, dict(params))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            candidate.fit(estimator, self.X[rows], self.y[rows], around)
        return estimator, tuple(dict.fromkeys(str(w.message).splitlines()[0] for w in caught))

    def described(self) -> bytes:
        """The schema as JSON, for another process."""
        return msgspec.json.encode(self.schema)


def _mean(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def _middle(settled: list[dict[str, Any]]) -> dict[str, Any]:
    """The middle of what each part settled on; whole numbers stay whole."""
    found: dict[str, Any] = {}
    for name in settled[0] if settled else ():
        values = [s[name] for s in settled if name in s]
        middle = float(np.median(values))
        found[name] = round(middle) if all(isinstance(v, int) for v in values) else middle
    return found
