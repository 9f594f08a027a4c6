"""A snapshot of rows that stay where they are: what they are known by, and a fair sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.columns import as_text
from everloop.data.declared import infer_declared
from everloop.data.infer import Inferred
from everloop.data.leaks import leaks
from everloop.data.merge import newer_over
from everloop.data.references import BLOCK, Reference
from everloop.data.schema import Schema
from everloop.data.splits import Split
from everloop.data.splits.rule import Rule, split_rule
from everloop.data.streams import Survey
from everloop.data.streams.dividing import Divided, divide_stream
from everloop.data.streams.staying import declared_table, surveyed
from everloop.errors import invalid
from everloop.evaluate.gates.check import with_beside
from everloop.loop.steps._base import Outcome, StepContext
from everloop.loop.steps._units import refuse_other_units


def referred(
    context: StepContext,
    added: pl.DataFrame | None,
    origin: dict[str, Any],
    judged: Callable[[Schema, Sequence[str]], list[str]],
) -> Outcome:
    """A dataset version by reference, and its sample divided into training and test rows.

    The parts are hashed; a second pass surveys them, so that a schema can be read off a sample; a
    third divides them and draws a sample of either side. Nothing else is kept of them but the rows
    ``added`` from the prediction log.

    Parameters
    ----------
    judged : columns that gates and the report look at, of a schema and the data's columns.
    """
    spec, seed = context.declaration.data, context.declaration.loop.seed
    table = declared_table(spec, context.project.dir)
    parts = table.parts()
    batches = with_added(table.batches(parts), added, spec.id)
    found = surveyed(batches, spec, seed)
    refuse_other_units(context, found.sample)
    tokens = context.declaration.train.prepare.tokens
    inferred = infer_declared(found.sample, spec, context.project.dir, tokens)
    schema = inferred.schema
    rule = _rule(context, found, schema)
    columns = list(
        dict.fromkeys([*found.sample.columns, *(added.columns if added is not None else [])])
    )
    wanted = _wanted(context, schema, judged(schema, columns))
    divided = divide_stream(
        with_added(table.batches(parts, found.whole), added, spec.id),
        schema,
        rule,
        [c for c in columns if c in wanted],
        kept_train=spec.sample,
        kept_test=spec.sample // 2,
        seed=seed,
    )
    reference = Reference(
        parts=parts,
        rows=found.rows,
        train_rows=divided.train_rows,
        test_rows=divided.test_rows,
        kept_train=divided.train.height,
        kept_test=divided.test.height,
        added=0 if added is None else added.height,
        rule=rule,
        whole=found.whole,
        blocks=divided.blocks,
        ordered=divided.ordered,
    )
    return _outcome(context, reference, divided, added, inferred, found, origin)


def with_added(
    batches: Iterable[pl.DataFrame], added: pl.DataFrame | None, id: str | None
) -> Iterator[pl.DataFrame]:
    """The rows of ``batches`` without those whose ``id`` was ``added``, then what was added."""
    if added is None:
        yield from batches
        return
    newer = as_text(added[id]).implode() if id is not None else None
    for batch in batches:
        if newer is not None and id in batch.columns:
            batch = batch.filter(~as_text(batch[str(id)]).is_in(newer))
        if batch.height:
            yield batch
    yield from added.iter_slices(BLOCK)


def told(reference: Reference) -> str:
    """One sentence for people."""
    count = len(reference.parts)
    parts = f"{count} part{'s' if count > 1 else ''}, {reference.size / 1e6:,.1f} MB"
    return (
        f"The rows stay where they are ({parts}): the candidates are compared on "
        f"{reference.kept_train:,} of {reference.train_rows:,} training rows and tested on "
        f"{reference.kept_test:,} of {reference.test_rows:,}."
    )


def _rule(context: StepContext, found: Survey, schema: Schema) -> Rule:
    spec = context.declaration.evaluate
    if schema.time is not None and found.columns[schema.time].missing:
        missing = found.columns[schema.time].missing
        raise invalid(
            f'column "{schema.time}"', f"<{missing:,} rows without a value>", "a time in every row"
        )
    return split_rule(
        found.sample,
        schema,
        found.rows,
        found.newest,
        spec.holdout,
        context.declaration.loop.seed,
        spec.split,
        train_rows=spec.train_rows,
        group_by=spec.group_by,
        gap=spec.gap,
    )


def _wanted(context: StepContext, schema: Schema, judged: list[str]) -> set[str]:
    keys = (schema.target, schema.id, schema.time, context.declaration.evaluate.group_by)
    return {*schema.names, *(key for key in keys if key), *judged}


def _outcome(
    context: StepContext,
    reference: Reference,
    divided: Divided,
    added: pl.DataFrame | None,
    inferred: Inferred,
    found: Survey,
    origin: dict[str, Any],
) -> Outcome:
    schema = with_beside(inferred.schema, context.declaration.evaluate)
    _check_classes(divided, schema)
    sides = pl.concat([divided.train, divided.test], how="diagonal_relaxed")
    rows = np.arange(sides.height)
    parts = Split(rows[: divided.train.height], rows[divided.train.height :], reference.rule.how)
    leaking = leaks(sides, schema, parts)
    kept = (
        sides
        if added is None
        else newer_over(sides, added.select([c for c in added.columns if c in sides.columns]), None)
    )
    version = context.project.datasets.refer(
        kept, reference, context.declaration.name, schema, found.columns, origin
    )
    return Outcome(
        {
            "dataset": version.digest,
            "rows": reference.rows,
            "train_rows": reference.kept_train,
            "test_rows": reference.kept_test,
            "split": reference.rule.how,
            "until": found.newest or context.cycle.started,
            "schema": msgspec.to_builtins(schema),
            "notes": [
                told(reference),
                *inferred.notes,
                *(f"{leak.level}: {leak.sentence}" for leak in leaking),
            ],
            "leaks": msgspec.to_builtins(leaking),
            "origin": origin | {"source_rows": reference.rows - reference.added},
            "referred": {
                "parts": len(reference.parts),
                "bytes": reference.size,
                "train_rows": reference.train_rows,
                "test_rows": reference.test_rows,
            },
        }
    )


def _check_classes(divided: Divided, schema: Schema) -> None:
    if schema.numeric:
        return
    for side, frame in (("train", divided.train), ("test", divided.test)):
        if frame[schema.target].n_unique() < 2:
            raise invalid(
                schema.target,
                f"<one class in the rows that {side}>",
                "two or more classes",
                fix='If the rows are sorted by it, set evaluate.split to "random".',
            )
