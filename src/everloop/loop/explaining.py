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
from everloop.deploy.explainer import Explanation, background_of, explain
from everloop.errors import InvalidInput, invalid
from everloop.evaluate.explain.counterfactual import Counterfactual, counterfactual
from everloop.evaluate.explain.dependence import Dependence, dependence
from everloop.loop.answers import PackagedModel
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion

ROWS = 200
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
    output = _output(PackagedModel(folder, package), package.schema, -1)
    return dependence(output, _context(project, version, package.schema), package.schema, feature)


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
    if row.height != 1:
        raise invalid("rows", row.height, "one row for a counterfactual")
    X = encode(conform(row, schema), schema)
    context = _context(project, version, schema)
    if schema.numeric:
        if not isinstance(wanted, int | float) or isinstance(wanted, bool):
            raise invalid("to", wanted, "a number that the prediction is to reach")
        output = _output(model, schema, -1)
        upwards = bool(output(X)[0] < wanted)
        bound = float(wanted)
        return counterfactual(
            output, lambda v: v >= bound if upwards else v <= bound, X[0], context, schema,
            upwards=upwards, fixed=fixed,
        )  # fmt: skip
    code = _wanted_class(schema, model, X, wanted)
    output = _output(model, schema, code)

    def reached(values: NDArray[np.float64]) -> NDArray[np.bool_]:
        return values > 0.5

    return counterfactual(output, reached, X[0], context, schema, upwards=True, fixed=fixed)


def _wanted_class(schema: Schema, model: PackagedModel, X: NDArray[np.float64], wanted: Any) -> int:
    named = {str(label).lower(): code for code, label in enumerate(schema.classes)}
    if wanted is not None:
        if str(wanted).lower() not in named:
            raise invalid("to", wanted, f"one of the classes {list(schema.classes)}")
        return named[str(wanted).lower()]
    if len(schema.classes) != 2:
        raise invalid("to", "<nothing>", f"one of the classes {list(schema.classes)}")
    return 1 - schema.classes.index(model.predictor.predict(X).y[0])


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
