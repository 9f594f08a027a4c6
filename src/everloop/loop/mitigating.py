"""What a fairer version would cost: candidates tried on the data that a version was made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from everloop.data.encode import encode, encode_target
from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.evaluate.fairness.by_metric import NO_MEASURE, fairness
from everloop.evaluate.fairness.groups import Fairness, by_group, group_names
from everloop.evaluate.fairness.mitigation import (
    Mitigated,
    as_it_is,
    group_thresholds,
    measured,
    reweighing,
    with_thresholds,
)
from everloop.loop.answers import PackagedModel
from everloop.loop.explaining import rows_of
from everloop.loop.judging import judged_rows
from everloop.loop.playing import truth
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion
from everloop.train.check import find_candidate

ONLY_BINARY = (
    "threshold optimiser, reweighing: they even out how often groups are selected, which only a "
    "binary target says"
)


def mitigate(
    project: Project, version: ModelVersion, columns: Sequence[str], seed: int = 0
) -> Mitigated:
    """Threshold optimiser and reweighing by the groups of ``columns``, on the held-out rows.

    Thresholds are made on one random half of the held-out rows; every candidate is measured on
    the other half. Reweighing trains the version's algorithm again, weights its rows, and is left
    out for one that takes no weights. Of a target that is not binary the groups are measured and
    nothing is tried. Raises :class:`~everloop.errors.InvalidInput` for a task without groups and
    for a column that is not there.
    """
    folder, package = project.package(version)
    schema = package.schema
    if why := NO_MEASURE.get(schema.task):
        raise invalid("task", schema.task, f"a task whose rows have groups. {why}",
                      code="wrong_task")  # fmt: skip
    train, test, told = rows_of(project, version)
    if schema.task != "binary":
        return Mitigated(_as_served(project, version, test, columns, seed), [], [ONLY_BINARY])
    answers = PackagedModel.tested(folder, package).answers(test)
    if answers.proba is None:
        raise invalid("model", package.algorithm, "a model that says probabilities")
    y, score = encode_target(test, schema), answers.proba[:, 1].astype(np.float64)
    names = group_names(test, columns)
    half = np.random.default_rng(seed).random(len(y)) < 0.5
    before = answers.pred[~half]
    now = as_it_is(names[~half], before, y[~half])
    cuts = group_thresholds(names[half], score[half], y[half])
    chosen = with_thresholds(names[~half], score[~half], cuts, before)
    found = [now, measured("threshold optimiser", names[~half], chosen, y[~half], before,
                           thresholds=cuts)]  # fmt: skip
    left = []
    try:
        pred = _reweighed(schema, told, train, group_names(train, columns), test, seed)
        found.append(measured("reweighing", names[~half], pred[~half], y[~half], before))
    except (TypeError, ValueError) as error:
        left.append(f"reweighing: {package.algorithm} cannot be trained with weights ({error})")
    return Mitigated(by_group(test, columns, y, answers.pred), found, left)


def _as_served(
    project: Project, version: ModelVersion, test: pl.DataFrame, columns: Sequence[str], seed: int
) -> Fairness:
    """The metrics of each group, as the report measures them."""
    folder, package = project.package(version)
    schema, declaration = package.schema, project.cycles.declaration(version.model)
    y = truth(test, schema, declaration)
    answers = PackagedModel.tested(folder, package).answers(test)
    judged = judged_rows(declaration.evaluate, schema, test, y, answers, seed)
    return fairness(judged, columns)


def _reweighed(
    schema: Schema,
    told: dict[str, Any],
    train: pl.DataFrame,
    names: np.ndarray,
    test: pl.DataFrame,
    seed: int,
) -> np.ndarray:
    """Answers of the same algorithm, trained with weights."""
    y = encode_target(train, schema)
    candidate = find_candidate(str(told["algorithm"]))
    estimator = candidate.build(schema, schema.task, seed, dict(told.get("params") or {}))
    steps = getattr(estimator, "steps", None)
    where = f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"
    estimator.fit(encode(train, schema), y, **{where: reweighing(names, y)})
    pred: np.ndarray = np.asarray(estimator.predict(encode(test, schema)), dtype=np.int64)
    return pred
