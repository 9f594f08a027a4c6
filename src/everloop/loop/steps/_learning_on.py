"""The champion learned on, as a quick challenger of a probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.encode import encode
from everloop.data.schema import Schema
from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import costs_of
from everloop.evaluate.metrics import Metric
from everloop.extensions import update_methods
from everloop.loop.considered import found_params, trained_until
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._seen import champion_from, fitted_until
from everloop.registry.models import ModelVersion
from everloop.train.check import find_candidate
from everloop.train.loading import load
from everloop.train.predictions import predict
from everloop.train.spec import TrainSpec
from everloop.update.methods import Around, Champion, Choice
from everloop.update.methods.rows import TrainingRows
from everloop.update.probe import History
from everloop.update.worth import Ask


@dataclass(frozen=True)
class _ByTime:
    """:class:`everloop.update.methods.Seen` of a history; nobody asks what versions answer."""

    new: NDArray[np.bool_]
    held: NDArray[np.bool_]

    def unseen(self) -> NDArray[np.bool_]:
        return self.new

    def tested(self) -> NDArray[np.bool_]:
        return self.held

    def answers(self) -> Answers:
        raise NotImplementedError

    def others(self) -> Iterator[tuple[Champion, Answers, NDArray[np.bool_]]]:
        raise NotImplementedError


def learned_on(
    context: StepContext,
    champion: ModelVersion,
    schema: Schema,
    metric: Metric,
    forget: float,
    name: str,
) -> Callable[[History], Ask]:
    """What the champion answers after it has learned from the rows of a history that are new to it,
    by the method of that name.

    Raises :class:`~everloop.errors.EverloopError` for too few of them, and where it loses more than
    ``forget`` of the metric on the rows that tested it while a gate asks for that (``goes_on``).
    """
    declaration, project = context.declaration, context.project

    def fit(history: History) -> Ask:
        assert schema.time is not None and history.known.times is not None, "sound by time alone"
        until = trained_until(project, champion)
        first = min(fitted_until(project, champion, schema.time), until)
        times = history.known.times
        seen = _ByTime(times > until, (times > first) & (times <= until))
        rows = TrainingRows(
            history.X, history.y, schema, metric, history.known, None,
            costs_of(declaration.evaluate, schema), declaration.loop.seed,
        )  # fmt: skip
        known = champion_from(project, champion)
        around = Around(
            choice=Choice(name, base=champion.version), spec=_alone(declaration.train, champion),
            keep=_params(context, champion, len(history)), seen=seen, forget=forget,
        )  # fmt: skip
        method = update_methods.get(name)()
        made = method.make(rows, known, around)
        if made.nothing:
            raise EverloopError(made.nothing)
        estimator = made.fitted[0].estimator
        if method.goes_on:
            _check_kept(rows.part(np.flatnonzero(seen.held)), known, estimator, forget)

        def ask(frame: pl.DataFrame) -> Answers:
            return Answers(*predict(estimator, encode(frame, schema), schema))

        return ask

    return fit


def _alone(spec: TrainSpec, champion: ModelVersion) -> TrainSpec:
    return msgspec.structs.replace(spec, candidates=(champion.algorithm or "",))


def _params(context: StepContext, champion: ModelVersion, rows: int) -> dict[str, Any]:
    """The champion's, so that a fit that a method makes on its way is no search."""
    found = found_params(context.project, champion)
    return find_candidate(champion.algorithm or "").defaults(rows) if found is None else found


def _check_kept(tested: TrainingRows, champion: Champion, estimator: Any, forget: float) -> None:
    if not len(tested.y):
        return
    before = load("everloop.train.state.keeping:resumable")(champion.folder)
    was, now = (
        tested.metric.score(tested.y, *predict(model, tested.X, tested.schema))
        for model in (before.estimator(before.model), estimator)
    )
    if was - now > forget:
        raise EverloopError(
            f"it loses {was - now:.4f} of {tested.metric.name} on the rows that tested the "
            f"champion, more than update.forget ({forget:g})"
        )
