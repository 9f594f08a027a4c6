"""The candidates compared on validation parts: by their defaults, or by a search of parameters."""

from __future__ import annotations

import importlib
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from everloop.data.schema import Task
from everloop.errors import EverloopError, InvalidInput, invalid
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Report
from everloop.train.loading import load
from everloop.train.predictions import BLENDED
from everloop.train.search.records import worth
from everloop.train.search.space import within
from everloop.train.side_by_side import side_by_side
from everloop.train.spec import ENSEMBLE, TrainSpec
from everloop.train.training import Training

if TYPE_CHECKING:
    from everloop.train.search.answers import AnswerStore
    from everloop.train.search.records import Trial


@dataclass(frozen=True)
class Fitted:
    """A candidate that was tried.

    Attributes
    ----------
    name, params : which candidate, and with which parameters.
    estimator : the pipeline over ``X`` fitted on all rows; None for all but the best.
    seconds : spent on it, search and validation included.
    score : mean over the validation parts, greater is better; None when it was not scored.
    notes : warnings that fitting raised.
    prepared : what preparation did on all rows, and how probabilities and threshold were chosen;
        None when nothing was asked for.
    loss : of its answers to the validation parts, which decides between equal scores.
    """

    name: str
    params: dict[str, Any]
    estimator: Any | None
    seconds: float
    score: float | None
    notes: tuple[str, ...] = ()
    prepared: dict[str, Any] | None = None
    loss: float | None = None

    @property
    def worth(self) -> tuple[float, float]:
        """Greater is better; one without a score comes last."""
        return worth(self.score, self.loss)


def searched(
    training: Training,
    chosen: dict[str, Candidate],
    spec: TrainSpec,
    report: Report,
    place: Path | None,
    first: dict[str, Any] | None = None,
) -> list[Fitted]:
    """The best of each candidate's trials, best first, and an ensemble of trials among them."""
    # Optuna takes most of a second to import, which only a search should pay for.
    study = importlib.import_module("everloop.train.search.study")
    if not (spec.ensemble and training.schema.task in BLENDED):
        trials: list[Trial] = study.search(training, chosen, spec, report, place, first=first)
        return _best_of_each(study, trials, chosen, report)
    answers = importlib.import_module("everloop.train.search.answers")
    with answers.AnswerStore(place.with_suffix(".answers") if place else None) as store:
        trials = study.search(training, chosen, spec, report, place, store, first)
        tried = _best_of_each(study, trials, chosen, report)
        return _with_ensemble(training, tried, trials, store, report)


def _with_ensemble(
    training: Training,
    tried: list[Fitted],
    trials: list[Trial],
    store: AnswerStore,
    report: Report,
) -> list[Fitted]:
    """With the ensemble in front when it is better than the best alone, else behind that."""
    started = time.perf_counter()
    blending = importlib.import_module("everloop.train.search.blending")
    found = blending.blended(training, trials, store)
    if found is None:
        return tried
    params, blend = found
    ensemble = Fitted(ENSEMBLE, params, None, time.perf_counter() - started, blend.score)
    report_candidate(report, ensemble)
    report(ENSEMBLE, {"chosen": blend.better, "alone": blend.single, "sure": blend.sure})
    place = 0 if blend.better else 1
    return [*tried[:place], ensemble, *tried[place:]]


def _best_of_each(
    study: Any, trials: list[Trial], chosen: dict[str, Candidate], report: Report
) -> list[Fitted]:
    tried, failures = [], []
    for name in chosen:
        own = [trial for trial in trials if trial.candidate == name]
        best: Trial | None = study.best_of(own)
        spent = sum(trial.seconds for trial in own)
        if best is not None:
            tried.append(Fitted(name, best.params, None, spent, best.score, loss=best.loss))
            report_candidate(report, tried[-1])
        elif own:
            error = next((t.error for t in own if t.error), "the time was up before its score")
            failures.append(f"{name}: {error}")
            report("failed", {"candidate": name, "error": error})
    return _ranked(chosen, tried, failures)


def compared(
    training: Training,
    chosen: dict[str, Candidate],
    spec: TrainSpec,
    report: Report,
    checkpoints: Path | None,
) -> list[Fitted]:
    """Each candidate's defaults, scored; best first.

    Two are fitted at a time, since one alone leaves cores idle; what they find does not depend on
    it, but the seconds that each takes do.
    """
    tried: dict[str, Fitted] = {}
    failures = []
    for candidate in chosen.values():
        _import(candidate, training.schema.task)
    with side_by_side(training, spec, checkpoints) as pool:
        begun = {
            name: pool.submit(_scored, training, name, candidate, spec)
            for name, candidate in chosen.items()
            if not candidate.alone
        }
        for name in sorted(chosen, key=lambda name: chosen[name].alone):
            try:
                beside = begun.get(name)
                tried[name] = (
                    beside.result() if beside else _scored(training, name, chosen[name], spec)
                )
            except EverloopError:
                pool.shutdown(cancel_futures=True)
                raise
            except Exception as error:
                failures.append(failed(report, name, error))
                continue
            report_candidate(report, tried[name])
    return _ranked(chosen, [tried[name] for name in chosen if name in tried], failures)


def _import(candidate: Candidate, task: Task) -> None:
    """Its library, while nothing is fitted: scikit-learn looks for others among what is imported,
    and one that is half there breaks it."""
    with suppress(Exception):  # what is wrong with a candidate is for its fit to say
        load(candidate.estimators[task])


def _scored(training: Training, name: str, candidate: Candidate, spec: TrainSpec) -> Fitted:
    started = time.perf_counter()
    params = default_params(training, name, candidate, spec)
    found = training.validate(candidate, params)
    spent = time.perf_counter() - started
    return Fitted(name, params, None, spent, found.score, loss=found.loss)


def default_params(
    training: Training, name: str, candidate: Candidate, spec: TrainSpec
) -> dict[str, Any]:
    return within(spec.space.get(name, {}), candidate.defaults(len(training.X)))


def _ranked(chosen: dict[str, Candidate], tried: list[Fitted], failures: list[str]) -> list[Fitted]:
    if not tried:
        raise none_fitted(list(chosen), failures)
    return sorted(tried, key=lambda fitted: fitted.worth, reverse=True)


def report_candidate(report: Report, fitted: Fitted) -> None:
    shown = {key: getattr(fitted, key) for key in ("params", "score", "seconds")}
    report("candidate", {"candidate": fitted.name} | shown)


def failed(report: Report, name: str, error: Exception) -> str:
    why = f"{type(error).__name__}: {' '.join(str(error).split())}"  # libraries write paragraphs
    report("failed", {"candidate": name, "error": why})
    return f"{name}: {why}"


def none_fitted(names: list[str], failures: list[str]) -> InvalidInput:
    return invalid(
        "train.candidates",
        ", ".join(names),
        "at least one that can be fitted to this data",
        code="training_failed",
        fix=failures[0].rstrip(".") + "." if failures else None,
    )
