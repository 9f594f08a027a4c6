"""Explanations of a registered version: single answers, one feature, or a way to another answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.conform import conform
from everloop.data.encode import encode
from everloop.data.schema import Schema
from everloop.deploy.attribution import Explanation
from everloop.deploy.explainer import background_of, check_task, explain
from everloop.errors import Conflict, InvalidInput, did_you_mean, invalid
from everloop.evaluate.costs import metric_of
from everloop.evaluate.explain.counterfactual import Counterfactual, counterfactual
from everloop.evaluate.explain.dependence import (
    Dependence,
    dependence,
    drawn_class,
    drawn_number,
)
from everloop.evaluate.explain.importance import Importance, permutation_importance
from everloop.evaluate.metrics import get_metric
from everloop.loop.answers import PackagedModel
from everloop.loop.declaration import Declaration
from everloop.loop.playing import ranked_together, truth
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion

ROWS = 200
ROWS_SHUFFLED = 20_000
CONTEXT = 2_000  # training rows that values of a counterfactual and a dependence come from

Output = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def explain_frame(
    project: Project, frame: pl.DataFrame, version: ModelVersion
) -> list[Explanation]:
    """What each feature adds to the answer of each row; at most 200 rows."""
    if frame.height > ROWS:
        raise invalid("rows", frame.height, f"at most {ROWS} rows to explain", code="too_many_rows")
    folder, package = project.package(version)
    model = PackagedModel(folder, package)
    X = encode(conform(frame, package.schema), package.schema)
    return explain(model.predictor, X, background_of(folder))


def dependence_of(project: Project, feature: str, version: ModelVersion) -> Dependence:
    """The mean answer of a version over the values of one of its features."""
    folder, package = project.package(version)
    check_task(package.schema)
    model, schema = PackagedModel(folder, package), package.schema
    context = _context(project, version, schema)
    proba = None if schema.numeric else model.ask(context).proba
    code = -1 if proba is None else drawn_class(schema, proba)
    return dependence(
        _output(model, schema, code), context, schema, feature, of=drawn_number(schema, code)
    )


def counterfactual_of(
    project: Project,
    row: pl.DataFrame,
    version: ModelVersion,
    wanted: Any = None,
    fixed: Collection[str] = (),
) -> Counterfactual:
    """The least change of ``row`` after which the version answers ``wanted``.

    ``wanted`` is a class (of two, the other one unless given), or a number that the prediction is
    to reach.
    """
    folder, package = project.package(version)
    model, schema = PackagedModel(folder, package), package.schema
    check_task(schema)
    if row.height != 1:
        raise invalid("rows", row.height, "one row for a counterfactual")
    for name in fixed:
        if name not in schema.names:
            fix = did_you_mean(name, schema.names)
            raise invalid("fixed", name, "a feature of the model", fix=fix, code="unknown_name")
    X = encode(conform(row, schema), schema)
    context = _context(project, version, schema)
    if schema.numeric:
        if not isinstance(wanted, int | float) or isinstance(wanted, bool):
            raise invalid("to", wanted, "a number that the prediction is to reach")
        output = _output(model, schema, -1)
        upwards = bool(output(X)[0] < wanted)
        bound = float(wanted)
        return counterfactual(
            output, lambda _, v: v >= bound if upwards else v <= bound, X[0], context, schema,
            upwards=upwards, fixed=fixed,
        )  # fmt: skip
    code = _wanted_class(schema, model, X, wanted)
    output = _output(model, schema, code)

    def reached(rows: NDArray[np.float64], _: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(model.ask(rows).pred == code)  # by the model's own threshold

    return counterfactual(output, reached, X[0], context, schema, upwards=True, fixed=fixed)


def importance_of(
    project: Project, version: ModelVersion, declaration: Declaration
) -> list[Importance]:
    """How much worse a version's held-out rows are answered when one feature is shuffled.

    Of a policy: how often it acts otherwise.
    """
    model = PackagedModel.tested(*project.package(version))
    schema = model.package.schema
    _, test, _ = rows_of(project, version)
    test = test.head(ROWS_SHUFFLED)
    ask, X = model.ask, encode(test, schema)
    if schema.task == "policy":
        return permutation_importance(ask, X, ask(X).pred, schema, get_metric("accuracy"))
    y = truth(test, schema, declaration)
    metric, groups = metric_of(declaration.evaluate, schema), ranked_together(test, schema)
    return permutation_importance(ask, X, y, schema, metric, groups=groups)


def rows_of(
    project: Project, version: ModelVersion
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """The rows that trained a version, those that were held out, and what its training said.

    Raises :class:`~everloop.errors.Conflict` for a version that no cycle made.
    """
    snapshot = project.cycles.step(version.cycle or "", "snapshot")
    trained = project.cycles.step(version.cycle or "", "train")
    if snapshot is None or trained is None or version.dataset is None:
        raise Conflict(f"version {version.version}: how it was trained is not recorded.")
    facts = snapshot.result or {}
    rows = int(facts["train_rows"])
    train = project.datasets.load(version.dataset, rows=rows)
    test = project.datasets.load(version.dataset, rows, int(facts["test_rows"]))
    return train, test, trained.result or {}


def _wanted_class(schema: Schema, model: PackagedModel, X: NDArray[np.float64], wanted: Any) -> int:
    named = {_plain(label): code for code, label in enumerate(schema.classes)}
    if wanted is not None:
        if _plain(wanted) not in named:
            raise invalid("to", wanted, f"one of the classes {list(schema.classes)}")
        return named[_plain(wanted)]
    if len(schema.classes) != 2:
        raise invalid("to", "<nothing>", f"one of the classes {list(schema.classes)}")
    return 1 - schema.classes.index(model.predictor.predict(X).y[0])


def _plain(label: Any) -> str:
    """A class as text; JSON and the command line make a float of the class 1."""
    whole = isinstance(label, float) and label.is_integer()
    return str(int(label) if whole else label).lower()


def _output(model: PackagedModel, schema: Schema, code: int) -> Output:
    def output(X: NDArray[np.float64]) -> NDArray[np.float64]:
        y, p = model.predictor.predict(np.ascontiguousarray(X))
        if schema.numeric or p is None:
            return np.asarray(y, dtype=np.float64)
        return np.asarray(p, dtype=np.float64)[:, code]

    return output


def _context(project: Project, version: ModelVersion, schema: Schema) -> NDArray[np.float64]:
    """Rows of the data that the version was trained on."""
    if version.dataset is None:
        raise InvalidInput(f"version {version.version}: its training data is not recorded.")
    return encode(project.datasets.load(version.dataset, rows=CONTEXT), schema)
