"""Reading the ``[evaluate]`` section: which metric and which gates are meant."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everloop.data.schema import Schema, Task
from everloop.durations import seconds
from everloop.errors import invalid
from everloop.evaluate.fairness.by_metric import NO_MEASURE
from everloop.evaluate.gates._base import FIELD, Gate, check_metric_task
from everloop.evaluate.gates._columns import check_column
from everloop.evaluate.gates._feasible import check_feasible
from everloop.evaluate.gates._parse import parse_gate
from everloop.evaluate.metrics import Metric, default_metric, get_metric
from everloop.evaluate.spec import EvaluateSpec


def chosen_metric(spec: EvaluateSpec, task: Task) -> Metric:
    """The metric of ``spec``, or the task's default.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown metric or one of another task.
    """
    if not spec.metric:
        return default_metric(task)
    metric = get_metric(spec.metric)
    check_metric_task(metric, task, "evaluate.metric")
    return metric


def chosen_gates(spec: EvaluateSpec, task: Task) -> list[Gate]:
    """The gates of ``spec``; when it names none, that the metric beats the champion's.

    Raises :class:`~everloop.errors.InvalidInput` for one that cannot be read or judged.
    """
    if spec.gates is None:
        return [parse_gate(f"{chosen_metric(spec, task).name} beats champion")]
    gates = [parse_gate(text, f"{FIELD}[{i}]") for i, text in enumerate(spec.gates)]
    for gate in gates:
        gate.check_task(task)
    return gates


def looked_at(spec: EvaluateSpec, task: Task) -> list[str]:
    """Columns that gates read and by whose groups fairness is looked at."""
    gates = chosen_gates(spec, task)
    return [*(column for gate in gates for column in gate.columns), *spec.sensitive]


def with_beside(schema: Schema, spec: EvaluateSpec) -> Schema:
    """The schema with the columns that its model does not read and is judged by."""
    own = {*schema.names, *schema.keys}
    beside = dict.fromkeys(n for n in looked_at(spec, schema.task) if n not in own)
    return msgspec.structs.replace(schema, beside=tuple(beside))


def check_spec(
    spec: EvaluateSpec,
    task: Task | None = None,
    columns: Sequence[str] | None = None,
    schema: Schema | None = None,
) -> None:
    """Refuse what evaluation would refuse.

    Parameters
    ----------
    task : when known, metrics and gates must fit it.
    columns : of the data, when known; gates and groups may only read these.
    schema : of the model, when known; gates may only change its features.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    _check_holdout(spec.holdout)
    if spec.metric:
        get_metric(spec.metric)
    gates = [parse_gate(text, f"{FIELD}[{i}]") for i, text in enumerate(spec.gates or ())]
    check_feasible(gates)
    if task is not None:
        chosen_metric(spec, task)
        chosen_gates(spec, task)
        if spec.sensitive and (why := NO_MEASURE.get(task)):
            got, expected = spec.sensitive[0], f"no columns for {task}. {why}"
            raise invalid("evaluate.sensitive[0]", got, expected.rstrip("."), code="wrong_task")
    if spec.cost is None and spec.metric == "cost":
        raise invalid("evaluate.metric", "cost", "a section [evaluate.cost] beside it")
    if columns is None:
        return
    for gate in gates:
        for column in gate.columns:
            check_column(FIELD, gate.text, column, columns)
        if schema is not None:
            gate.check_schema(schema)
    for i, column in enumerate(spec.sensitive):
        check_column(f"evaluate.sensitive[{i}]", column, column, columns)


def _check_holdout(holdout: str | float) -> None:
    if isinstance(holdout, str):
        if seconds(holdout, "evaluate.holdout") <= 0:
            raise invalid("evaluate.holdout", holdout, "a duration above 0")
    elif not 0 < holdout < 1:
        raise invalid(
            "evaluate.holdout", holdout, 'a share between 0 and 1, or a duration such as "7d"'
        )
