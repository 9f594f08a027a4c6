"""Fitting the candidates and choosing among them, on the training rows alone."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from everloop.data.schema import Schema
from everloop.errors import EverloopError, InvalidInput, invalid
from everloop.train.baseline import baseline
from everloop.train.candidates._base import Candidate
from everloop.train.check import chosen_candidates, find_candidate
from everloop.train.decision import decided, decides
from everloop.train.fitting import Report
from everloop.train.preparation.embedding import TextEmbedding, reads_pieces
from everloop.train.prepared import behind
from everloop.train.search.space import fixed
from everloop.train.spec import ENSEMBLE, TrainSpec
from everloop.train.training import Score, Training
from everloop.train.validation import Known, described

if TYPE_CHECKING:
    from everloop.train.search.answers import AnswerStore
    from everloop.train.search.records import Trial

__all__ = ["Fitted", "Score", "fit_candidates"]


SCORED_VALUES = 400_000  # of X, up to which a single candidate is fitted once more for its score
BLENDED = ("regression", "binary", "multiclass")  # tasks whose answers have a mean


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
    """

    name: str
    params: dict[str, Any]
    estimator: Any | None
    seconds: float
    score: float | None
    notes: tuple[str, ...] = ()
    prepared: dict[str, Any] | None = None


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
    known: Known = Known(),  # noqa: B008 - frozen
    costs: np.ndarray | None = None,
    study: Path | None = None,
    checkpoints: Path | None = None,
) -> list[Fitted]:
    """Fit the candidates of ``spec``; best first.

    They are compared on validation parts of these rows (see :func:`~everloop.train.validation.
    folds`), never on the holdout; then the best is fitted again on all rows. A single candidate
    without a search is scored only where that is quick, or where ``spec.validation`` asks for
    parts to validate on; its ``score`` is None otherwise.

    Parameters
    ----------
    X : float64, n by ``schema.width``, as :func:`everloop.data.encode.encode` makes it.
    y : n codes into ``schema.classes`` (int64), or n floats.
    score : of ``(y_true, y_pred, probabilities or None)``, greater is better. NaN means that the
        part could not be scored.
    seed : same seed, same rows: same models.
    report : called with what happened: ``"trial"`` (what
        :func:`everloop.train.search.study.facts` says of it), ``"candidate"`` (candidate, params,
        score, seconds), ``"failed"`` (candidate, error), ``"ensemble"`` (whether it is chosen,
        what the best trial alone scores on the rows that it scores on, and how sure it is that
        it is better), ``"validation"`` (kind, rows: which rows chose, in words), ``"baseline"``
        (strategy, score) and ``"refit"`` (candidate, rows, seconds); first of all, where a
        language model reads texts, ``"embedded"`` (rows, seconds); of the fit on all rows,
        where the algorithm has epochs, ``"device"`` and ``"epoch"`` (candidate, epoch, loss,
        validation_loss).
    time_ordered : the rows are in order of time; then validation is on later rows.
    groups : for a ranking, which rows belong together, n codes.
    known : what divides the rows beside their order: times, groups, hashes.
    costs : in money, true classes by answered ones, where a threshold is chosen by them.
    keep : parameters of a single candidate, found by an earlier search; its defaults otherwise.
    study : the file that keeps the trials of a search, which goes on from what is in it.
    checkpoints : a folder in which the fit on all rows keeps its state, where the algorithm can,
        and goes on after a crash; the caller removes it.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown candidate, or when none can be
    fitted, with the reason of the first.
    """
    chosen = chosen_candidates(spec, schema.task, len(X))
    embedding = None
    if any(reads_pieces(feature) for feature in schema.features):
        embedding = TextEmbedding()
        started = time.perf_counter()
        X = embedding.learn(X, y, schema, seed)
        schema = embedding.schema_
        report("embedded", {"rows": len(X), "seconds": time.perf_counter() - started})
    training = Training(
        X,
        y,
        schema,
        score,
        seed,
        time_ordered,
        groups,
        prepare=spec.prepare,
        device=spec.device,
        validation=spec.validation,
        known=known,
        costs=costs,
    )
    if spec.search.asked:
        tried = _searched(training, chosen, spec, report, study)
    elif len(chosen) > 1 or (keep is None and spec.validation.kind != "auto"):
        tried = _compared(training, chosen, spec, report)
    else:
        tried = _single(training, chosen, spec, report, keep, checkpoints)
    if tried[0].score is not None or decides(spec, schema):
        said = described(spec.validation, training.folds, time_ordered, training.known)
        report("validation", {"kind": spec.validation.kind, "rows": said})
    if (floor := _floor(training)) is not None:
        report("baseline", {"strategy": floor[0], "score": floor[1]})
    best = tried[0]
    if best.estimator is None:
        candidate = chosen.get(best.name) or find_candidate(best.name)
        best = _refit(training, spec, best, candidate, report, checkpoints)
        report("refit", {"candidate": best.name, "rows": len(X), "seconds": best.seconds})
    if embedding is not None:
        best = replace(best, estimator=behind(embedding, "embed", best.estimator))
    return [best, *tried[1:]]


def _floor(training: Training) -> tuple[str, float] | None:
    """The baseline; None too where rows that a single candidate is fitted on cannot be divided."""
    try:
        return baseline(training)
    except InvalidInput:
        return None


def _searched(
    training: Training,
    chosen: dict[str, Candidate],
    spec: TrainSpec,
    report: Report,
    place: Path | None,
) -> list[Fitted]:
    """The best of each candidate's trials, best first, and an ensemble of trials among them."""
    # Optuna takes most of a second to import, which only a search should pay for.
    study = importlib.import_module("everloop.train.search.study")
    if not (spec.ensemble and training.schema.task in BLENDED):
        trials: list[Trial] = study.search(training, chosen, spec, report, place)
        return _best_of_each(study, trials, chosen, report)
    answers = importlib.import_module("everloop.train.search.answers")
    with answers.AnswerStore(place.with_suffix(".answers") if place else None) as store:
        trials = study.search(training, chosen, spec, report, place, store)
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
    _report_candidate(report, ensemble)
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
            tried.append(Fitted(name, best.params, None, spent, best.score))
            _report_candidate(report, tried[-1])
        elif own:
            error = next((t.error for t in own if t.error), "no trial was scored")
            failures.append(f"{name}: {error}")
            report("failed", {"candidate": name, "error": error})
    return _ranked(chosen, tried, failures)


def _compared(
    training: Training, chosen: dict[str, Candidate], spec: TrainSpec, report: Report
) -> list[Fitted]:
    """Each candidate's defaults, scored; best first."""
    tried, failures = [], []
    for name, candidate in chosen.items():
        started = time.perf_counter()
        try:
            params = _defaults(training, name, candidate, spec)
            value = training.validate(candidate, params).score
        except EverloopError:
            raise
        except Exception as error:
            failures.append(_failed(report, name, error))
            continue
        tried.append(Fitted(name, params, None, time.perf_counter() - started, value))
        _report_candidate(report, tried[-1])
    return _ranked(chosen, tried, failures)


def _single(
    training: Training,
    chosen: dict[str, Candidate],
    spec: TrainSpec,
    report: Report,
    keep: dict[str, Any] | None,
    checkpoints: Path | None,
) -> list[Fitted]:
    """The only candidate: there is nothing to choose between, so its score is only to be told."""
    ((name, candidate),) = chosen.items()
    try:
        params = _defaults(training, name, candidate, spec) if keep is None else keep
        score = None
        if keep is None and candidate.quick and training.X.size <= SCORED_VALUES:
            score = _score(training, candidate, params)
        unfitted = Fitted(name, params, None, 0.0, score)
        fitted = _refit(training, spec, unfitted, candidate, report, checkpoints)
    except EverloopError:
        raise
    except Exception as error:
        raise _none_fitted([name], [_failed(report, name, error)]) from error
    _report_candidate(report, fitted)
    return [fitted]


def _score(training: Training, candidate: Candidate, params: dict[str, Any]) -> float | None:
    """None when some part cannot be fitted, as where a class has too few rows for all parts."""
    try:
        value = training.validate(candidate, params).score
    except Exception:
        return None
    training.forget_parts()
    return None if np.isnan(value) else value


def _defaults(
    training: Training, name: str, candidate: Candidate, spec: TrainSpec
) -> dict[str, Any]:
    return candidate.defaults(len(training.X)) | fixed(spec.space.get(name, {}))


def _refit(
    training: Training,
    spec: TrainSpec,
    best: Fitted,
    candidate: Candidate,
    report: Report,
    checkpoints: Path | None,
) -> Fitted:
    """The same candidate and parameters on all rows."""

    def told(stage: str, facts: dict[str, Any]) -> None:
        report(stage, {"candidate": best.name} | facts)

    started = time.perf_counter()
    validated = None
    if decides(spec, training.schema):
        validated = training.out_of_fold(candidate, best.params)
    training.forget_parts()  # all rows need their memory
    prepared = training.prepared(slice(None))
    around = training.around(slice(None), checkpoints, told)
    estimator, notes = training.fit(candidate, best.params, prepared, around)
    facts = dict(prepared.facts)
    if validated is not None:
        estimator, found = decided(estimator, *validated, training, spec)
        facts |= found
    spent = best.seconds + time.perf_counter() - started
    return Fitted(best.name, best.params, estimator, spent, best.score, notes, facts or None)


def _ranked(chosen: dict[str, Candidate], tried: list[Fitted], failures: list[str]) -> list[Fitted]:
    if not tried:
        raise _none_fitted(list(chosen), failures)
    return sorted(tried, key=_rank, reverse=True)


def _report_candidate(report: Report, fitted: Fitted) -> None:
    shown = {key: getattr(fitted, key) for key in ("params", "score", "seconds")}
    report("candidate", {"candidate": fitted.name} | shown)


def _failed(report: Report, name: str, error: Exception) -> str:
    why = f"{type(error).__name__}: {error}"
    report("failed", {"candidate": name, "error": why})
    return f"{name}: {why}"


def _rank(fitted: Fitted) -> float:
    return -np.inf if fitted.score is None or np.isnan(fitted.score) else fitted.score


def _none_fitted(names: list[str], failures: list[str]) -> InvalidInput:
    return invalid(
        "train.candidates",
        ", ".join(names),
        "at least one that can be fitted to this data",
        code="training_failed",
        fix=failures[0].rstrip(".") + "." if failures else None,
    )
