"""A model for another task, segment or schema, from a registered version."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.evaluate.answers import Answers
from everloop.extensions import update_methods
from everloop.train.check import find_candidate
from everloop.train.fitting import Fitting, silent
from everloop.train.loading import load
from everloop.train.spec import ENSEMBLE, TrainSpec
from everloop.train.state.families import FAMILIES, NETWORKS, why_not
from everloop.train.state.names import FRONT, STATE
from everloop.train.validation import Known
from everloop.update.losses import row_losses
from everloop.update.methods._base import About, Around, Champion, Made, Method
from everloop.update.methods._new_rows import recognisable

if TYPE_CHECKING:
    from everloop.update.methods.rows import TrainingRows

Fit = Callable[["TrainingRows"], Any]
NOTHING = "from nothing"
JUDGED = 0.25  # of the rows, by which what is taken along is held against a fit from nothing
FEWEST = 80  # rows, below which nothing is spared for that
_TRANSFER = "everloop.train.transfer"
_SAME: tuple[str, ...] = ("regression", "binary", "multiclass")


@update_methods.register("transfer")
class Transfer(Method):
    """What can be taken along of the parent, by name of features, levels and classes.

    Networks keep their layers, the last of which learns first; LightGBM boosts on from the
    parent's scores; river's learners go on with the new rows; algorithms that take weights learn
    from the parent's rows too, each as much as it looks like a new one. A quarter of the rows holds
    each against a fit from nothing, since a parent can harm; the best of them is fitted on all
    rows.

    A version of the same loop may be the parent too, where the schema has become another, say: its
    rows are among those that train already, and none that it has seen judges.
    """

    def sound(self, about: About) -> str | None:
        if about.choice.model in ("", about.loop) and (why := recognisable(about)):
            return f"of a version of the same loop rows must judge that it has not seen, and {why}"
        if about.stays:
            return "the rows stay where they are, and only a sample of them is kept"
        if about.algorithm == ENSEMBLE or ":" in about.algorithm:
            return (
                f"{about.algorithm} has no weights of its own that another model could begin with"
            )
        if _is_network(about.algorithm) and why_not(about.algorithm, about.task) is None:
            return None
        if about.task not in _SAME:
            return f"a model of the task {about.task} has nothing that another one begins with"
        kind = find_candidate(about.algorithm)
        if about.algorithm == "lightgbm" or kind.ordered or about.task in kind.weighted:
            return None
        return f"{about.algorithm} takes no weights, and cannot begin with those of another model"

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        assert champion is not None, "there is nothing to take along without a parent"
        started = time.perf_counter()
        algorithm, params = _algorithm(around, champion)
        ways = _ways(rows, champion, around, algorithm, params)
        if len(ways) == 1:
            raise _nothing_shared(rows.schema, champion, algorithm)
        chosen, losses = _best(rows, ways)
        estimator = ways[chosen](rows)
        parent = f"{around.choice.model}/{champion.version}"
        facts: dict[str, Any] = {"transfer": {"way": chosen, "from": parent, "losses": losses}}
        fitted = load("everloop.train.tried:Fitted")(
            algorithm, params, estimator, time.perf_counter() - started, None, ()
        )
        told = ", ".join(f"{way} {score:.4f}" for way, score in losses.items())
        note = f"From version {parent}: {chosen}."
        if told:
            note += f" Mean loss on a part of the rows that none was fitted on: {told}."
        return Made([fitted], notes=(note,), facts=facts, descends=chosen != NOTHING)


def _algorithm(around: Around, champion: Champion) -> tuple[str, dict[str, Any]]:
    """The parent's where the loop file lets it be; with its parameters then."""
    named = around.spec.candidates
    if not named or champion.algorithm in named:
        return champion.algorithm, dict(champion.params or {})
    return named[0], {}


def _ways(
    rows: TrainingRows,
    champion: Champion,
    around: Around,
    algorithm: str,
    params: dict[str, Any],
) -> dict[str, Fit]:
    """What can be done for this pair of models; a fit from nothing last."""
    parent, goal, folder = champion.schema, rows.schema, champion.folder
    spec = _alone(around.spec, algorithm)
    kept, same = (folder / STATE).is_file(), champion.algorithm == algorithm
    alike = (parent.task, parent.classes) == (goal.task, goal.classes)
    found: dict[str, Fit] = {}
    bare = _is_network(algorithm) and not (folder / FRONT).is_file()
    if kept and same and bare and goal.task in NETWORKS:
        tune = load(f"{_TRANSFER}.network:fine_tuned")
        fitting = Fitting(device=around.spec.device)
        found["its layers"] = lambda r: tune(folder, parent, goal, r.X, r.y, fitting)
    if kept and same and alike and algorithm == "lightgbm" and goal.task in _SAME:
        warm = load(f"{_TRANSFER}.trees:warm_trees")
        found["its trees"] = lambda r: warm(folder, parent, goal, r.X, r.y, r.seed)
    if kept and same and alike and find_candidate(algorithm).ordered:
        go_on = load(f"{_TRANSFER}.events:warm_learner")
        found["its learner"] = lambda r: go_on(folder, parent, goal, r.X, r.y, r.seed)
    if alike and goal.task in find_candidate(algorithm).weighted and around.parent_rows:
        old = around.parent_rows()
        if old is not None and len(old[1]):
            X = load(f"{_TRANSFER}.mapping:Mapped")(parent, goal).transform(old[0])
            found["its rows, weighted"] = lambda r: _weighted(r, X, old[1], spec, params)
    return found | {NOTHING: lambda r: _plain(r, spec, params)}


def _weighted(
    rows: TrainingRows, X: np.ndarray, y: np.ndarray, spec: TrainSpec, params: dict[str, Any]
) -> Any:
    weigh = load(f"{_TRANSFER}.weights:domain_weights")
    weights = np.append(weigh(X, rows.X, rows.seed), np.ones(len(rows.y)))
    both = replace(
        rows, X=np.vstack([X, rows.X]), y=np.concatenate([y, rows.y]), known=Known(), groups=None
    )
    return _plain(both, spec, params, weights=weights)


def _plain(rows: TrainingRows, spec: TrainSpec, params: dict[str, Any], **more: Any) -> Any:
    keep = find_candidate(spec.candidates[0]).defaults(len(rows.y)) | params
    return rows.fit(spec, silent, keep=keep, **more)[0].estimator


def _best(rows: TrainingRows, ways: dict[str, Fit]) -> tuple[str, dict[str, float]]:
    """The way with the lowest mean loss on a part that none was fitted on, and that of each.

    A fit from nothing is taken where it is better by more than the standard error of the
    difference: few rows tell little, and for them a parent is what there is.
    """
    n = len(rows.y)
    if n < FEWEST:
        return next(iter(ways)), {}
    order = np.arange(n)
    if rows.schema.time is None:
        order = np.random.default_rng(rows.seed).permutation(n)
    first = n - round(n * JUDGED)
    learn, judge = np.sort(order[:first]), np.sort(order[first:])
    if not rows.schema.numeric and len(np.unique(rows.y[learn])) < len(np.unique(rows.y)):
        return next(iter(ways)), {}
    predict, part = load("everloop.train.predictions:predict"), rows.part(learn)
    losses = {}
    for way, fit in ways.items():
        answers = Answers(*predict(fit(part), rows.X[judge], rows.schema))
        losses[way] = row_losses(rows.y[judge], answers, rows.schema.numeric)
    means = {way: float(np.nanmean(loss)) for way, loss in losses.items()}
    best = min((way for way in ways if way != NOTHING), key=lambda way: means[way])
    worse = losses[best] - losses[NOTHING]
    if np.nanmean(worse) > np.nanstd(worse) / np.sqrt(len(worse)):
        best = NOTHING
    return best, {way: round(mean, 6) for way, mean in means.items()}


def _alone(spec: TrainSpec, algorithm: str) -> TrainSpec:
    return msgspec.structs.replace(spec.alone(algorithm), calibrate="none", threshold=0.5)


def _is_network(algorithm: str) -> bool:
    family = FAMILIES.get(algorithm)
    return family is not None and family.tasks == NETWORKS


def _nothing_shared(goal: Schema, champion: Champion, algorithm: str) -> Exception:
    own = champion.schema
    got = f"{champion.algorithm} for {own.target} ({own.task}, {list(own.classes)[:4]})"
    wanted = f"a version that {algorithm} for {goal.target} ({goal.task}) can take something from"
    fix = "Networks take layers to any task; trees and weights need the same task and classes."
    return invalid("train.base", got, wanted, code="unsound_method", fix=fix)
