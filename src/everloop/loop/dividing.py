"""Which rows train and which test, as a loop file asks for it."""

from __future__ import annotations

import polars as pl

from everloop.data.schema import Schema
from everloop.data.splits import Split, split
from everloop.loop.declaration import Declaration


def divide(
    frame: pl.DataFrame, schema: Schema, declaration: Declaration
) -> tuple[Split, str | None]:
    """The split of the declaration, and a note when it had to be another.

    Raises :class:`~everloop.errors.InvalidInput` when a side would be empty.
    """
    spec, seed = declaration.evaluate, declaration.loop.seed
    group_by = spec.group_by or schema.group
    parts = split(
        frame,
        schema,
        spec.holdout,
        seed,
        spec.split,
        train_rows=spec.train_rows,
        group_by=group_by,
        gap=spec.gap,
    )
    in_file_order = schema.time is None and (spec.split == "last" or spec.train_rows is not None)
    if not schema.numeric and in_file_order:
        target = frame[schema.target]
        if min(target[parts.test].n_unique(), target[parts.train].n_unique()) < 2:
            share = len(parts.test) / frame.height
            return split(frame, schema, share, seed, "random", group_by=group_by), (
                "The file is sorted by its target, so the last rows hold one class only: "
                "the test rows are drawn at random instead."
            )
    return parts, None
