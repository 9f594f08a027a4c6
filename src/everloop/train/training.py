"""The rows that candidates are compared on, and how a set of parameters is scored on them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from everloop.data.schema import Schema
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import TIME_ONLY, Fitting, Pruned, Report, never, silent
from everloop.train.predictions import BLENDED, mean_loss, predict
from everloop.train.prepared import Prepared
from everloop.train.spec import PrepareSpec, ValidationSpec
from everloop.train.validation import Known, folds

Prune = Callable[[int, float], bool]


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
    """What validation found.

    Attributes
    ----------
    score : the mean over the parts.
    settled : the parameters that fitting settled itself.
    answers : to the rows of all parts, one part after another: m numbers, or probabilities m by k.
    loss : of these answers (see :func:`~everloop.train.predictions.mean_loss`), which decides
        between equal scores; None where they have none.
    """

    score: float
    settled: dict[str, Any]
    answers: np.ndarray
    loss: float | None = None


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
        prepare: PrepareSpec = PrepareSpec(),  # noqa: B008 - frozen
        device: str = "auto",
        validation: ValidationSpec = ValidationSpec(),  # noqa: B008 - frozen
        known: Known = Known(),  # noqa: B008 - frozen
        costs: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        explore: float = 0.05,
    ) -> None:
        self.X, self.y, self.schema, self.score, self.seed = X, y, schema, score, seed
        self.time_ordered, self.groups = time_ordered, groups
        self._parts = parts
        self.prepare = prepare
        self._prepared: dict[int, Prepared] = {}
        self._preparing = threading.RLock()  # candidates are fitted side by side
        self.device = device
        self.validation, self.costs, self.weights = validation, costs, weights
        self.explore = explore
        # Rows that are ranked together stay together unless others are named.
        self.known = known if known.together is not None else replace(known, together=groups)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker on another machine: without the lock, and what it prepares for itself."""
        return self.__dict__ | {"_preparing": None, "_prepared": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _preparing=threading.RLock())

    @property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pairs of row numbers: those to fit on, those to validate on."""
        with self._preparing:
            if self._parts is None:
                self._parts = folds(
                    self.y,
                    self.validation,
                    self.known,
                    classification=not self.schema.numeric,
                    time_ordered=self.time_ordered,
                    seed=self.seed,
                )
            return self._parts

    def thinned(self, rows: int) -> Training:
        """At most ``rows`` rows, in their order."""
        step = -(-len(self.X) // rows)
        if step <= 1:
            return self
        some = np.arange(0, len(self.X), step)
        return Training(
            self.X[::step],
            self.y[::step],
            self.schema,
            self.score,
            self.seed,
            self.time_ordered,
            None if self.groups is None else self.groups[some],
            validation=self.validation,
            known=self.known.of(some, 0),
            weights=None if self.weights is None else self.weights[some],
            explore=self.explore,
        )

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
        answers: list[np.ndarray] = []
        settled: list[dict[str, Any]] = []
        stopped: list[Any] = []
        several = len(self.folds) > 1
        within: Prune = (lambda _step, value: prune(TIME_ONLY, value)) if several else prune
        for number, (fit_rows, rows) in enumerate(self.folds):
            around = self._judged(fit_rows, rows, early_stopping, report, within)
            estimator, _ = self.fit(candidate, params, self._part(number), around)
            settled.append(candidate.settled(estimator) if early_stopping else {})
            stopped.append(estimator if settled[-1] else None)
            value, answered = self._scored(estimator, rows)
            values.append(value)
            answers.append(answered)
            if several and number + 1 < len(self.folds) and prune(number, mean_score(values)):
                raise Pruned
        middle = _middle(settled)
        if several and middle:
            # Each part stopped where its own rows liked it best, which flatters it; the model that
            # is fitted on all rows has one number of rounds, and so have these.
            for number, (_, rows) in enumerate(self.folds):
                candidate.settle(stopped[number], middle)
                values[number], answers[number] = self._scored(stopped[number], rows)
        return Validated(mean_score(values), middle, np.concatenate(answers), self._loss(answers))

    def _judged(
        self,
        fit_rows: np.ndarray,
        rows: np.ndarray,
        early_stopping: bool,
        report: Report,
        prune: Prune,
    ) -> Fitting:
        """What surrounds a fit on ``fit_rows`` that is judged by ``rows``."""
        together = None if self.groups is None else self.groups[rows]
        return Fitting(
            validation=(self.X[rows], self.y[rows]) if early_stopping else None,
            groups=None if self.groups is None else self.groups[fit_rows],
            validation_groups=together if early_stopping else None,
            weights=self._weights(fit_rows),
            explore=self.explore,
            device=self.device,
            report=report,
            prune=prune,
        )

    def _scored(self, estimator: Any, rows: np.ndarray) -> tuple[float, np.ndarray]:
        """The score of these rows, and the answers: probabilities where there are any."""
        pred, proba = predict(estimator, self.X[rows], self.schema)
        extra = () if self.groups is None else (self.groups[rows],)
        value = self.score(self.y[rows], pred, proba, *extra)
        return value, pred if proba is None else proba

    def _loss(self, answers: list[np.ndarray]) -> float | None:
        """Of the answers to all parts; None for tasks that have none."""
        if self.schema.task not in BLENDED:
            return None
        rows = np.concatenate([rows for _, rows in self.folds])
        return mean_loss(np.concatenate(answers), self.y[rows])

    def fit(
        self,
        candidate: Candidate,
        params: dict[str, Any],
        prepared: Prepared,
        around: Fitting | None = None,
    ) -> tuple[Any, tuple[str, ...]]:
        """A fitted pipeline over rows as they come, and the warnings it raised.

        ``around`` is of the rows that were prepared; by default, of all rows.
        """
        around = prepared.around(self.around(slice(None)) if around is None else around)
        schema = prepared.schema
        estimator = candidate.build(schema, schema.task, self.seed, dict(params))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            candidate.fit(estimator, prepared.X, prepared.y, around)
        notes = tuple(dict.fromkeys(str(w.message).splitlines()[0] for w in caught))
        return prepared.whole(estimator), notes

    def out_of_fold(
        self, candidate: Candidate, params: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of the validation parts and probabilities by models that had not seen them.

        Probabilities are m by k in the order of the schema's classes.
        """
        answered, places = [], []
        for number, (fit_rows, rows) in enumerate(self.folds):
            around = self.around(fit_rows)
            estimator, _ = self.fit(candidate, params, self._part(number), around)
            answered.append(predict(estimator, self.X[rows], self.schema)[1])
            places.append(rows)
        return np.concatenate(places), np.concatenate([p for p in answered if p is not None])

    def _part(self, number: int) -> Prepared:
        """The rows to fit on of one part, prepared once for all candidates."""
        with self._preparing:
            if number not in self._prepared:
                self._prepared[number] = self.prepared(self.folds[number][0])
            return self._prepared[number]

    def prepared(self, rows: np.ndarray | slice) -> Prepared:
        """Those rows as ``[train.prepare]`` wants them; learned on them alone."""
        return Prepared(self.X[rows], self.y[rows], self.schema, self.prepare, self.seed)

    def forget_parts(self) -> None:
        """Let go of the prepared rows of the validation parts."""
        self._prepared.clear()

    def around(
        self, rows: np.ndarray | slice, checkpoints: Path | None = None, report: Report = silent
    ) -> Fitting:
        """What surrounds a fit on ``rows`` that nothing is judged by."""
        groups = None if self.groups is None else self.groups[rows]
        return Fitting(
            groups=groups,
            weights=self._weights(rows),
            checkpoints=checkpoints,
            explore=self.explore,
            device=self.device,
            report=report,
        )

    def _weights(self, rows: np.ndarray | slice) -> np.ndarray | None:
        return None if self.weights is None else self.weights[rows]

    def described(self) -> bytes:
        """The schema as JSON, for another process."""
        return msgspec.json.encode(self.schema)


def mean_score(values: list[float]) -> float:
    """The mean over the parts that could be scored; NaN when none could."""
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
