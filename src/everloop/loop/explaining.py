"""Explanations of a registered version: single answers, one feature, or a way to another answer."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.conform import conform
from everloop.data.encode import encode
from everloop.data.schema import Schema
from everloop.deploy.attribution import Explanation
from everloop.deploy.explainer import background_of, check_task, explain
from everloop.errors import Conflict, InvalidInput, did_you_mean, invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import metric_of
from everloop.evaluate.explain.counterfactual import Counterfactual, counterfactual
from everloop.evaluate.explain.dependence import Dependence, dependence, drawn, share_of
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
    output, of = drawn(model.ask, schema, model.ask(context))
    return dependence(output, context, schema, feature, of=of)


def counterfactual_of(
    project: Project,
    row: pl.DataFrame,
    version: ModelVersion,
    wanted: Any = None,
    fixed: Collection[str] = (),
) -> Counterfactual:
    """The least change of ``row`` after which the version answers ``wanted``.

    ``wanted`` is a class (of two, the other one unless given; of several labels a row one that the
    row is to have), or a number that the prediction is to reach.
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
        bound = _wanted_number(wanted)
        output, _ = drawn(model.ask, schema, model.ask(X))
        upwards = bool(output(X)[0] < bound)
        return counterfactual(
            output, lambda _, v: v >= bound if upwards else v <= bound, X[0], context, schema,
            upwards=upwards, fixed=fixed,
        )  # fmt: skip
    code = _wanted_class(schema, model.ask(X), wanted)

    def reached(rows: NDArray[np.float64], _: NDArray[np.float64]) -> NDArray[np.bool_]:
        pred = model.ask(rows).pred  # by the model's own thresholds
        return np.asarray(pred == code if pred.ndim == 1 else pred[:, code] == 1)

    share = share_of(model.ask, schema, code)
    found = counterfactual(share, reached, X[0], context, schema, upwards=True, fixed=fixed)
    return msgspec.structs.replace(found, of=schema.classes[code])


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


def _wanted_number(wanted: Any) -> float:
    number = None if isinstance(wanted, bool) else _number(wanted)
    if number is None or not math.isfinite(number):
        raise invalid("to", wanted, "a number that the prediction is to reach")
    return number


def _wanted_class(schema: Schema, now: Answers, wanted: Any) -> int:
    """The code of a class; where none is named, the other one of two than is answered ``now``."""
    if wanted is None and len(schema.classes) == 2 and schema.task != "multilabel":
        return 1 - int(now.pred[0])
    for form in (str, _plain):  # of "A" and "a", or "1" and "01", the very one comes first
        for code, label in enumerate(schema.classes):
            if wanted is not None and form(label) == form(wanted):
                return code
    got = "<nothing>" if wanted is None else wanted
    raise invalid("to", got, f"one of the classes {list(schema.classes)}")


def _plain(label: Any) -> str:
    """A class as text; JSON and the command line make a float or a text of the class 1."""
    number = None if isinstance(label, bool) else _number(label)
    whole = number is not None and number.is_integer()
    return str(int(number or 0) if whole else label).lower()


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _context(project: Project, version: ModelVersion, schema: Schema) -> NDArray[np.float64]:
    """Rows of the data that the version was trained on."""
    if version.dataset is None:
        raise InvalidInput(f"version {version.version}: its training data is not recorded.")
    return encode(project.datasets.load(version.dataset, rows=CONTEXT), schema)
