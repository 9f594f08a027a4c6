"""Fitting the candidates and choosing among them, on the training rows alone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from everloop.data.schema import Schema
from everloop.errors import EverloopError, InvalidInput
from everloop.train.baseline import baseline
from everloop.train.candidates._base import Candidate
from everloop.train.check import chosen_candidates, find_candidate
from everloop.train.decision import decided, decides
from everloop.train.fitting import Report
from everloop.train.preparation.embedding import TextEmbedding, reads_pieces
from everloop.train.prepared import behind
from everloop.train.servable import servable
from everloop.train.spec import TrainSpec
from everloop.train.training import Score, Training
from everloop.train.tried import (
    Fitted,
    compared,
    default_params,
    failed,
    none_fitted,
    report_candidate,
    searched,
)
from everloop.train.validation import Known, described

__all__ = ["Fitted", "Score", "fit_candidates"]


SCORED_VALUES = 400_000  # of X, up to which a single candidate is fitted once more for its score


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
    weights: np.ndarray | None = None,
    first: dict[str, Any] | None = None,
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
        and goes on after a crash; the caller removes it. Candidates that were compared two at a
        time when it came are compared one at a time then.
    weights : how much each row counts in a fit, where the algorithm takes weights; scores of
        validation parts count all rows alike.
    first : parameters that a search of a single candidate tries before all others, in place of
        its defaults.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown candidate, or when none can be
    fitted or served, with the reason of the first.
    """
    chosen = chosen_candidates(spec, schema.task, len(X))
    X, schema, embedding = _texts_read(X, y, schema, seed, report)
    training = Training(
        X, y, schema, score, seed, time_ordered, groups, prepare=spec.prepare, device=spec.device,
        validation=spec.validation, known=known, costs=costs, weights=weights,
        explore=spec.explore,
    )  # fmt: skip
    if spec.search.asked or len(chosen) > 1:
        chosen = servable(training, chosen, spec, report)
    if spec.search.asked:
        tried = searched(training, chosen, spec, report, study, first)
    elif len(chosen) > 1 or (keep is None and spec.validation.kind != "auto"):
        tried = compared(training, chosen, spec, report, checkpoints)
    else:
        tried = _single(training, chosen, spec, report, keep, checkpoints)
    _tell(training, tried[0], spec, report)
    best = tried[0]
    if best.estimator is None:
        candidate = chosen.get(best.name) or find_candidate(best.name)
        best = _refit(training, spec, best, candidate, report, checkpoints)
        report("refit", {"candidate": best.name, "rows": len(X), "seconds": best.seconds})
    if embedding is not None:
        best = replace(best, estimator=behind(embedding, "embed", best.estimator))
    return [best, *tried[1:]]


def _texts_read(
    X: np.ndarray, y: np.ndarray, schema: Schema, seed: int, report: Report
) -> tuple[np.ndarray, Schema, TextEmbedding | None]:
    """The rows as a language model reads their texts, and that model; None where none does."""
    if not any(reads_pieces(feature) for feature in schema.features):
        return X, schema, None
    embedding, started = TextEmbedding(), time.perf_counter()
    X = embedding.learn(X, y, schema, seed)
    report("embedded", {"rows": len(X), "seconds": time.perf_counter() - started})
    return X, embedding.schema_, embedding


def _tell(training: Training, best: Fitted, spec: TrainSpec, report: Report) -> None:
    """Which rows chose, and what knows nothing of the features scores on them."""
    if best.score is not None or decides(spec, training.schema):
        said = described(spec.validation, training.folds, training.time_ordered, training.known)
        report("validation", {"kind": spec.validation.kind, "rows": said})
    if (floor := _floor(training)) is not None:
        report("baseline", {"strategy": floor[0], "score": floor[1]})


def _floor(training: Training) -> tuple[str, float] | None:
    """The baseline; None too where rows that a single candidate is fitted on cannot be divided."""
    try:
        return baseline(training)
    except InvalidInput:
        return None


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
        params = default_params(training, name, candidate, spec) if keep is None else keep
        score = None
        if keep is None and candidate.quick and training.X.size <= SCORED_VALUES:
            score = _score(training, candidate, params)
        unfitted = Fitted(name, params, None, 0.0, score)
        fitted = _refit(training, spec, unfitted, candidate, report, checkpoints)
    except EverloopError:
        raise
    except Exception as error:
        raise none_fitted([name], [failed(report, name, error)]) from error
    report_candidate(report, fitted)
    return [fitted]


def _score(training: Training, candidate: Candidate, params: dict[str, Any]) -> float | None:
    """None when some part cannot be fitted, as where a class has too few rows for all parts."""
    try:
        value = training.validate(candidate, params).score
    except Exception:
        return None
    training.forget_parts()
    return None if np.isnan(value) else value


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
