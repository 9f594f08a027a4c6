"""Reading the task off the target column: regression, or which classes."""

from __future__ import annotations

import polars as pl

from everloop.data.columns import as_number, as_text, is_text, refuse
from everloop.data.multilabel import canonical, check_labels, distinct_labels, holds_lists
from everloop.data.schema import NUMERIC, SEPARATOR, Task
from everloop.data.stray import refuse_stray_text
from everloop.errors import invalid

MAX_NUMBER_CLASSES = 20  # more distinct whole numbers than this are regressed


def present_labels(target: pl.Series, allow_null: bool, multilabel: bool = False) -> pl.Series:
    """The labels that are there; refuses gaps unless they are allowed, and a single value."""
    if target.dtype.is_float():
        target = target.fill_nan(None)
    if not allow_null and 0 < target.null_count() < len(target):
        way_out = "Leave out the rows without one."
        if multilabel:  # an empty cell of a CSV is a missing one
            way_out = f'Write "{SEPARATOR}" where no label applies, leave out what is not known.'
        refuse(target, target.is_null(), "a label in every row", fix=way_out)
    if is_text(target) and not multilabel:
        refuse_stray_text(target, role="target")
    present = target.drop_nulls()
    if present.n_unique() < 2:
        got = f"<only {present[0]!r}>" if len(present) else "<no value at all>"
        raise invalid(
            f'target "{target.name}"',
            got,
            "at least two different values",
            code="constant_target",
            fix="A model could only repeat it.",
        )
    return present


def infer_task(
    target: pl.Series, task: Task | None
) -> tuple[Task, tuple[str | int | float | bool, ...]]:
    """The task and, unless it is regression, the classes in ascending order."""
    if holds_lists(target) and task is None:
        raise invalid(
            f'target "{target.name}"',
            "<lists of texts>",
            "one value in each row",
            code="mistyped_column",
            fix='Set data.task = "multilabel" to learn each label of the lists.',
        )
    if task == "multilabel":
        plain = canonical(target)
        labels = distinct_labels(plain)
        check_labels(plain, labels)
        return "multilabel", labels
    if task in NUMERIC:
        as_number(target)
        return task, ()
    distinct: pl.Series
    if target.dtype == pl.Boolean:
        distinct = target.unique()
    elif is_text(target):
        distinct = as_text(target).unique()
    elif target.dtype.is_numeric():
        numbers = as_number(target)
        distinct = numbers.unique()
        few = len(distinct) <= max(2, min(MAX_NUMBER_CLASSES, len(target) // 5))
        whole = bool((distinct == distinct.round(0)).all())
        if task is None and not (few and whole):
            return "regression", ()
        if not whole:
            raise invalid(
                f'target "{target.name}"',
                "<numbers with a fraction>",
                f"classes, as the task is {task}",
            )
        distinct = distinct.cast(pl.Int64)
    else:
        raise invalid(
            f'target "{target.name}"',
            f"<type {target.dtype}>",
            "numbers, text or booleans",
            code="mistyped_column",
        )
    if len(distinct) > max(2, len(target) // 2):
        raise invalid(
            f'target "{target.name}"',
            f"<{len(distinct)} classes in {len(target)} rows>",
            "each class several times",
            code="too_many_classes",
            fix="Is it an id? Set data.target to the column to predict.",
        )
    if task in ("binary", "anomaly") and len(distinct) != 2:
        raise invalid(f'target "{target.name}"', f"<{len(distinct)} classes>", "two classes")
    if task == "anomaly":
        return task, tuple(distinct.sort().to_list())
    return "binary" if len(distinct) == 2 else "multiclass", tuple(distinct.sort().to_list())
