"""Fitting the candidates and choosing among them, on the training rows alone."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from everloop.data.schema import Schema
from everloop.durations import seconds
from everloop.errors import EverloopError, InvalidInput, invalid
from everloop.train.candidates._base import Candidate
from everloop.train.check import chosen_candidates
from everloop.train.fitting import Fitting, Report
from everloop.train.loading import load
from everloop.train.predictions import predict
from everloop.train.spec import TrainSpec
from everloop.train.validation import folds


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
class Fitted:
    """A candidate that was tried.

    Attributes
    ----------
    name, params : which candidate, and with which parameters.
    estimator : the pipeline over ``X`` fitted on all rows; None for all but the best.
    seconds : spent on it, search and validation included.
    score : mean over the validation parts, greater is better; None when nothing was compared.
    notes : warnings that fitting raised.
    """

    name: str
    params: dict[str, Any]
    estimator: Any | None
    seconds: float
    score: float | None
    notes: tuple[str, ...] = ()


def fit_candidates(
    X: np.ndarray,
    y: np.ndarray,
    schema: Schema,
    spec: TrainSpec,
    score: Score,
    seed: int,
    report: Report,
    time_ordered: bool = False,
    keep: dict[str, Any] | None = None,
    groups: np.ndarray | None = None,
) -> list[Fitted]:
    """Fit the candidates of ``spec``; best first.

    They are compared on validation parts of these rows (see :func:`~everloop.train.validation.
    folds`), never on the holdout; then the best is fitted again on all rows. A single candidate
    without a search is fitted once and its ``score`` is None.

    Parameters
    ----------
    X : float64, n by ``schema.width``, as :func:`everloop.data.encode.encode` makes it.
    y : n codes into ``schema.classes`` (int64), or n floats.
    score : of ``(y_true, y_pred, probabilities or None)``, greater is better. NaN means that the
        part could not be scored.
    seed : same seed, same rows: same models.
    report : called with what happened: ``"trial"`` (candidate, number, params, score or error),
        ``"candidate"`` (candidate, params, score, seconds), ``"failed"`` (candidate, error) and
        ``"refit"`` (candidate, rows, seconds).
    time_ordered : the rows are in order of time; then validation is on later rows.
    groups : for a ranking, which rows belong together, n codes.
    keep : parameters of a single candidate, found by an earlier search; its defaults otherwise.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown candidate, or when none can be
    fitted, with the reason of the first.
    """
    chosen = chosen_candidates(spec, schema.task)
    data = _Training(X, y, schema, score, seed, time_ordered, groups)
    compared = len(chosen) > 1 or spec.search.trials > 0
    deadline = time.monotonic() + seconds(spec.search.timeout, "train.search.timeout")
    tried: list[Fitted] = []
    failures: list[str] = []
    for i, (name, candidate) in enumerate(chosen.items()):
        try:
            if not compared:
                tried.append(data.fit_once(name, candidate, keep))
            elif spec.search.trials > 0:
                trials = max(1, round(spec.search.trials / len(chosen)))
                timeout = max(1.0, (deadline - time.monotonic()) / (len(chosen) - i))
                tried.append(data.search(name, candidate, trials, timeout, report))
            else:
                tried.append(data.compare(name, candidate))
        except EverloopError:
            raise
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
            report("failed", {"candidate": name, "error": f"{type(error).__name__}: {error}"})
            continue
        shown = {key: getattr(tried[-1], key) for key in ("params", "score", "seconds")}
        report("candidate", {"candidate": name} | shown)
    if not tried:
        raise _none_fitted(list(chosen), failures)
    tried.sort(key=_rank, reverse=True)
    best = tried[0]
    if best.estimator is None:
        best = data.refit(best, chosen[best.name])
        report("refit", {"candidate": best.name, "rows": len(X), "seconds": best.seconds})
    return [best, *tried[1:]]


class _Training:
    """The rows and how a set of parameters is scored on them."""

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        schema: Schema,
        score: Score,
        seed: int,
        time_ordered: bool,
        groups: np.ndarray | None,
    ) -> None:
        self.X, self.y, self.schema, self.score, self.seed = X, y, schema, score, seed
        self.groups = groups
        classification = not schema.numeric
        self.folds = folds(y, classification=classification, time_ordered=time_ordered, seed=seed)

    def compare(self, name: str, candidate: Candidate) -> Fitted:
        """The defaults, scored."""
        started = time.perf_counter()
        params = candidate.defaults(len(self.X))
        value = self.validate(candidate, params)
        return Fitted(name, params, None, time.perf_counter() - started, value)

    def search(
        self, name: str, candidate: Candidate, trials: int, timeout: float, report: Report
    ) -> Fitted:
        """The best parameters within the budget."""
        started = time.perf_counter()
        defaults = candidate.defaults(len(self.X))
        params, value = load("everloop.train.search:search")(
            name,
            candidate,
            defaults,
            lambda params: self.validate(candidate, params),
            trials=trials,
            timeout=timeout,
            seed=self.seed,
            report=report,
        )
        return Fitted(name, params, None, time.perf_counter() - started, value)

    def fit_once(self, name: str, candidate: Candidate, keep: dict[str, Any] | None) -> Fitted:
        """All rows at once, when there is nothing to choose between."""
        params = candidate.defaults(len(self.X)) if keep is None else keep
        unfitted = Fitted(name, params, None, 0.0, None)
        return self.refit(unfitted, candidate)

    def validate(self, candidate: Candidate, params: dict[str, Any]) -> float:
        """Mean score over the parts that can be scored; NaN when none can."""
        values = []
        for fit_rows, rows in self.folds:
            estimator, _ = self.fit(candidate, params, fit_rows)
            pred, proba = predict(estimator, self.X[rows], self.schema)
            together = () if self.groups is None else (self.groups[rows],)
            values.append(self.score(self.y[rows], pred, proba, *together))
        known = [v for v in values if not np.isnan(v)]
        return float(np.mean(known)) if known else float("nan")

    def fit(
        self, candidate: Candidate, params: dict[str, Any], rows: np.ndarray | slice
    ) -> tuple[Any, tuple[str, ...]]:
        """A fitted pipeline and the warnings it raised."""
        estimator = candidate.build(self.schema, self.schema.task, self.seed, dict(params))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            groups = None if self.groups is None else self.groups[rows]
            candidate.fit(estimator, self.X[rows], self.y[rows], Fitting(groups=groups))
        return estimator, tuple(dict.fromkeys(str(w.message).splitlines()[0] for w in caught))

    def refit(self, best: Fitted, candidate: Candidate) -> Fitted:
        """The same candidate and parameters on all rows."""
        started = time.perf_counter()
        estimator, notes = self.fit(candidate, best.params, slice(None))
        spent = best.seconds + time.perf_counter() - started
        return Fitted(best.name, best.params, estimator, spent, best.score, notes)


def _rank(fitted: Fitted) -> float:
    return -np.inf if fitted.score is None or np.isnan(fitted.score) else fitted.score


def _none_fitted(names: list[str], failures: list[str]) -> InvalidInput:
    return invalid(
        "train.candidates",
        ", ".join(names),
        "at least one that can be fitted to this data",
        code="training_failed",
        fix=failures[0] + "." if failures else None,
    )
