"""From ``[evaluate.cost]`` to a table, and to the metric that a loop is judged by."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.evaluate.metrics import Metric, default_metric, get_metric
from everloop.evaluate.spec import CostSpec, EvaluateSpec

FIELD = "evaluate.cost"


def cost_table(spec: CostSpec, classes: int) -> np.ndarray:
    """Costs in money, true classes by answered ones.

    Raises :class:`~everloop.errors.InvalidInput` when they are not for so many classes, and when
    a wrong answer never costs more than the right one.
    """
    if spec.matrix:
        table = _square(spec.matrix, classes)
    elif classes == 2:
        table = np.array(
            [[spec.true_negative, spec.false_positive], [spec.false_negative, spec.true_positive]]
        )
    else:
        raise invalid(
            FIELD, f"four names for {classes} classes", f"matrix, {classes} by {classes} numbers"
        )
    if not np.any(table > np.diag(table)[:, None]):
        raise invalid(FIELD, table.tolist(), "a wrong answer that costs more than the right one")
    return table


def costs_of(spec: EvaluateSpec, schema: Schema) -> np.ndarray | None:
    """The table of costs; None where none are declared, or nothing is answered with a class.

    Raises as :func:`cost_table`.
    """
    if spec.cost is None or not schema.classes:
        return None
    return cost_table(spec.cost, len(schema.classes))


def _square(matrix: tuple[tuple[float, ...], ...], classes: int) -> np.ndarray:
    if len(matrix) != classes or any(len(row) != classes for row in matrix):
        shape = " and ".join(sorted({str(len(row)) for row in matrix}))
        raise invalid(
            f"{FIELD}.matrix",
            f"{len(matrix)} rows of {shape} numbers",
            f"{classes} rows of {classes} numbers, one for each class",
        )
    return np.asarray(matrix, dtype=np.float64)


def metric_of(spec: EvaluateSpec, schema: Schema, name: str | None = None) -> Metric:
    """The metric that a loop is judged by (or the one called ``name``), with its costs bound.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown name or costs of another shape.
    """
    name = name or spec.metric
    metric = get_metric(name) if name else default_metric(schema.task)
    costs = costs_of(spec, schema)
    return metric if costs is None else metric.with_costs(costs)
