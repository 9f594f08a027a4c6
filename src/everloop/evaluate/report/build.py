"""Make a report from what a cycle knows. A part that fails is left out and named, never fatal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.errors import EverloopError
from everloop.evaluate.explain.attributions import Attributions
from everloop.evaluate.explain.dependence import DRAWN, Dependence, dependence, drawn
from everloop.evaluate.explain.importance import Ask, Importance, permutation_importance
from everloop.evaluate.fairness.by_metric import NO_MEASURE, Judged, fairness
from everloop.evaluate.metrics import Metric
from everloop.evaluate.report._base import Chart, Confusion, Report, TrainingPart
from everloop.evaluate.report.curves import curves
from everloop.evaluate.report.data import data_part
from everloop.evaluate.report.labels import label_scores
from everloop.evaluate.report.numbers import spread
from everloop.evaluate.report.slices import slices

T = TypeVar("T")
DRAWN_FEATURES = 6
IMPORTANT_WIDTH = 400  # features beyond which each one's importance would take too long
MOST_CLASSES = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Facts(Judged):
    """What a report is made from: what judges the model, and what is known of it beside that.

    Attributes
    ----------
    ask : the packaged model, rows of ``X`` in and answers out. ``X`` : of the held-out rows.
    train_frame : rows that trained (a sample is enough); None when they are not at hand.
    metric : what the model is judged by, with its costs.
    tested, snapshot, training : results of the cycle's steps, as they stand. Of a policy the rows
        are what its environment shows, and ``y`` the actions that it answers.
    sensitive : columns that fairness is looked at by.
    shapley : Shapley values of some rows; called for as a part that may fail.
    """

    model: str
    algorithm: str
    created: int
    ask: Ask
    X: NDArray[np.float64]
    metric: Metric
    tested: Mapping[str, Any]
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    train_frame: pl.DataFrame | None = None
    sensitive: Sequence[str] = ()
    shapley: Callable[[], Attributions | None] = lambda: None
    cycle: int | None = None
    verdict: str | None = None
    reason: str | None = None


def build_report(facts: Facts) -> Report:
    """Every part that can be made of ``facts``."""
    left: list[str] = []

    def part(name: str, make: Callable[[], T], otherwise: T) -> T:
        try:
            return make()
        except EverloopError as error:
            left.append(f"{name}: {error.message}")
        except Exception as error:
            _log.exception("%s of the report failed", name)
            left.append(f"{name}: {type(error).__name__}")
        return otherwise

    nothing: list[Importance] = []
    whole, facts = facts, _labelled(facts)
    if len(whole.y) and not len(facts.y):
        left.append("curves, confusion, slices, importances: no held-out row has a label")
    important = part("importances", lambda: _importances(facts), nothing)
    return Report(
        model=facts.model,
        task=facts.schema.task,
        target=facts.schema.target,
        algorithm=facts.algorithm,
        created=facts.created,
        cycle=facts.cycle,
        verdict=facts.verdict,
        reason=facts.reason,
        tested=dict(facts.tested),
        data=part("data", lambda: _data(whole), None),
        training=part("training", lambda: _training(facts), None),
        curves=part("curves", lambda: _curves(facts), []),
        confusion=part("confusion", lambda: _confusion(facts), None),
        labels=part("labels", lambda: label_scores(facts.schema, facts.y, facts.answers), []),
        slices=part("slices", lambda: _slices(facts), None),
        importances=important,
        shapley=part("Shapley values", facts.shapley, None),
        dependence=part("dependence", lambda: _dependence(facts, important), []),
        fairness=[
            found
            for by in _fairness_by(whole)
            if (found := part(f"fairness by {' × '.join(by)}", partial(fairness, whole, by), None))
        ],
        fairness_note=NO_MEASURE.get(facts.schema.task, ""),
        preparation=[
            f"{str(name).replace('_', ' ')}: {_said(fact)}"
            for name, fact in dict(facts.training.get("prepared") or {}).items()
        ],
        left_out=left,
    )


def _labelled(facts: Facts) -> Facts:
    """The rows whose label is known; of anomalies not all are."""
    if facts.schema.task != "anomaly" or not np.any(facts.y < 0):
        return facts
    known = facts.y >= 0
    return replace(
        facts,
        X=facts.X[known],
        frame=facts.frame.filter(known),
        y=facts.y[known],
        answers=facts.answers.on(known),
    )


def _data(facts: Facts) -> Any:
    return data_part(facts.schema, facts.train_frame, facts.frame, facts.snapshot)


def _curves(facts: Facts) -> list[Chart]:
    if facts.schema.task != "policy":
        return curves(facts.schema, facts.frame, facts.y, facts.answers, facts.lists, facts.seed)
    returns = np.asarray(facts.tested.get("returns") or [], dtype=np.float64)
    return [spread(returns, "Returns", "return", "episodes")] if len(returns) else []


def _training(facts: Facts) -> TrainingPart | None:
    told = facts.training
    if not told:
        return None
    return TrainingPart(
        metric=str(told.get("metric", "")),
        chosen=str(told.get("algorithm", facts.algorithm)),
        params=dict(told.get("params") or {}),
        candidates=list(told.get("candidates") or []),
        seed=facts.seed,
        run=told.get("run"),
        bytes=told.get("bytes"),
        validation=(told.get("validation") or {}).get("rows"),
        nested=told.get("nested"),
        notes=[str(note) for note in told.get("notes") or []],
    )


def _said(fact: Any) -> str:
    """A fact of the preparation in words: what was dropped, and why."""
    if isinstance(fact, Mapping):
        return "; ".join(f"{name}: {_said(value)}" for name, value in fact.items())
    if isinstance(fact, list | tuple):
        return ", ".join(_said(value) for value in fact)
    return f"{fact:.4g}" if isinstance(fact, float) else str(fact)


def _confusion(facts: Facts) -> Confusion | None:
    classes = facts.schema.classes
    pred, y = facts.answers.pred, facts.y
    if (
        facts.schema.numeric
        or facts.schema.task == "policy"
        or y.ndim != 1
        or not 1 < len(classes) <= MOST_CLASSES
        or not len(y)
    ):
        return None
    k = len(classes)
    known = (pred >= 0) & (pred < k)
    counts = np.bincount(y[known] * k + pred[known], minlength=k * k).reshape(k, k)
    return Confusion([str(c) for c in classes], counts.tolist())


def _slices(facts: Facts) -> Any:
    if facts.schema.task in ("policy", "bandit") or not len(facts.y):
        return None
    return slices(
        facts.schema, facts.frame, facts.y, facts.answers, facts.metric, facts.lists, facts.seed
    )


def _importances(facts: Facts) -> list[Importance]:
    if not len(facts.y) or not 1 < len(facts.schema.features) <= IMPORTANT_WIDTH:
        return []
    return permutation_importance(
        facts.ask,
        facts.X,
        facts.y,
        facts.schema,
        facts.metric,
        groups=facts.lists,
        seed=facts.seed,
    )


def _dependence(facts: Facts, important: list[Importance]) -> list[Dependence]:
    kinds = {f.name: f.kind for f in facts.schema.features}
    names = [one.feature for one in important if one.drop > 0 and kinds[one.feature] in DRAWN]
    output, of = drawn(facts.ask, facts.schema, facts.answers)
    return [
        dependence(output, facts.X, facts.schema, name, seed=facts.seed, of=of)
        for name in names[:DRAWN_FEATURES]
    ]


def _fairness_by(facts: Facts) -> list[tuple[str, ...]]:
    """Each sensitive column, and each two of them together."""
    if facts.schema.task in NO_MEASURE or not len(facts.y):
        return []
    names = list(dict.fromkeys(facts.sensitive))
    return [*((name,) for name in names), *combinations(names, 2)]
