"""The training rows of a cycle's snapshot, as a method of updating reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from everloop.data.encode import encode_batches
from everloop.data.multilabel import check_both
from everloop.data.schema import Schema
from everloop.data.splits import group_codes
from everloop.errors import invalid
from everloop.evaluate.costs import costs_of, metric_of
from everloop.evaluate.rewards import with_expected
from everloop.loop.dividing import known_of
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._challenger import schema_of
from everloop.train.check import check_fits, check_unlabelled
from everloop.update.methods.rows import TrainingRows


def training_rows_of(context: StepContext) -> TrainingRows:
    """The rows of the snapshot that train. Raises as :func:`rows_of`."""
    return rows_of(context, int(context.results["snapshot"]["train_rows"]))


def rows_of(context: StepContext, rows: int) -> TrainingRows:
    """The first ``rows`` rows of the snapshot; those that train come first.

    Raises :class:`~everloop.errors.InvalidInput` when nothing can be learned from them.
    """
    schema, evaluate = schema_of(context), context.declaration.evaluate
    check_fits(context.declaration.train, schema.task)
    data = encode_batches(_batches(context, rows), rows, schema)
    if schema.task == "multilabel":
        check_both(data.y, schema.classes, "the training rows")
    elif context.declaration.data.unlabelled:
        check_unlabelled(context.declaration.train)
        data.y[:] = -1  # labels of the rows that somebody looked at judge, and teach nothing
    elif schema.task == "bandit":
        data = replace(data, y=with_expected(data.y, data.X, schema))
    elif not schema.numeric and len(np.unique(data.y)) < 2:
        raise invalid(schema.target, "one class in the training rows", "two or more classes")
    return TrainingRows(
        X=data.X,
        y=data.y,
        schema=schema,
        metric=metric_of(evaluate, schema),
        known=known_of(_batches(context, rows), schema, context.declaration),
        groups=_ranked_together(context, rows, schema),
        costs=costs_of(evaluate, schema),
        seed=context.declaration.loop.seed,
    )


def _batches(context: StepContext, rows: int) -> Iterator[pl.DataFrame]:
    return context.project.datasets.batches(context.results["snapshot"]["dataset"], rows)


def _ranked_together(context: StepContext, rows: int, schema: Schema) -> np.ndarray | None:
    """Which of the rows are ranked together."""
    if schema.task != "ranking":
        return None
    name = schema.group
    if name is None:
        raise invalid(
            "data.group",
            "<nothing>",
            "the column whose rows are ranked together",
            code="missing_key",
        )
    return group_codes(pl.concat([part[name] for part in _batches(context, rows)]))
