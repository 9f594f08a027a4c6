"""Which rows train and which test, as a loop file asks for it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_instant
from everloop.data.schema import Schema
from everloop.data.splits import Split, group_codes, millis, row_hash, split
from everloop.durations import milliseconds
from everloop.errors import invalid
from everloop.loop.declaration import Declaration
from everloop.train.validation import Known, folds, outer_parts


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
    classes = not schema.numeric_labels and not declaration.data.unlabelled
    if classes and in_file_order:
        target = frame[schema.target]
        if min(target[parts.test].n_unique(), target[parts.train].n_unique()) < 2:
            share = len(parts.test) / frame.height
            return split(frame, schema, share, seed, "random", group_by=group_by), (
                "The file is sorted by its target, so the last rows hold one class only: "
                "the test rows are drawn at random instead."
            )
    return parts, None


def divide_new(frame: pl.DataFrame, schema: Schema, new: NDArray[np.bool_], version: int) -> Split:
    """The later half of the rows that are ``new`` to a version judges; the others may teach.

    Later by time, and without one by the order of the rows.
    """
    rows = np.arange(frame.height)
    if schema.time is not None:
        rows = np.argsort(millis(frame, schema.time), kind="stable")
    fresh = rows[new[rows]]
    test = fresh[len(fresh) // 2 :]
    held = np.zeros(frame.height, dtype=np.bool_)
    held[test] = True
    how = f"the last {len(test):,} of {len(fresh):,} rows new to version {version}"
    return Split(rows[~held[rows]], test, how)


def as_known(frame: pl.DataFrame, known: Schema, found: Schema) -> Schema:
    """The schema of a version that goes on reading a table.

    Raises :class:`~everloop.errors.InvalidInput` for a column that is gone, or classes that the
    version does not know: only a new fit can take those in.
    """
    gone = [name for name in known.names if name not in frame.columns]
    if gone:
        wanted = "the columns that the champion reads"
        raise invalid("columns", gone, wanted, fix="Retrain: a new fit reads what there is.")
    strange = [label for label in found.classes if label not in known.classes]
    if strange and not known.numeric:
        wanted = "classes that the champion knows"
        raise invalid(known.target, strange, wanted, fix="Retrain: a new fit learns them.")
    return known


def known_of(frames: Iterable[pl.DataFrame], schema: Schema, declaration: Declaration) -> Known:
    """What divides the training rows for validation, read off them a batch at a time.

    Hashes are by another seed than those that chose the test rows, which would all be alike here.
    """
    evaluate, spec = declaration.evaluate, declaration.train.validation
    group_by = evaluate.group_by or schema.group
    hashed = spec.kind != "auto"
    if schema.time is None and group_by is None and not hashed:
        return Known()
    times: list[pl.Series] = []
    groups: list[pl.Series] = []
    hashes: list[np.ndarray] = []
    for frame in frames:
        by = group_by if group_by in frame.columns else None
        if schema.time is not None:
            times.append(as_instant(frame[schema.time]).dt.epoch("ms"))
        if by is not None:
            groups.append(frame[by])
        if hashed:
            hashes.append(row_hash(frame, schema, declaration.loop.seed + 1, by))
    gap = spec.gap or evaluate.gap
    return Known(
        times=pl.concat(times).to_numpy() if times else None,
        together=group_codes(pl.concat(groups)) if groups else None,
        hashes=np.concatenate(hashes) if hashes else None,
        gap=0 if gap is None else milliseconds(gap, "train.validation.gap"),
    )


def check_validation_parts(
    y: np.ndarray, schema: Schema, declaration: Declaration, known: Known
) -> None:
    """Refuse parts that these training rows cannot fill. Raises InvalidInput."""
    spec, seed = declaration.train.validation, declaration.loop.seed
    by_time = schema.time is not None

    def divide_again(y: np.ndarray, known: Known) -> None:
        folds(y, spec, known, classification=not schema.numeric, time_ordered=by_time, seed=seed)

    divide_again(y, known)
    if spec.kind == "nested":
        for fit, _ in outer_parts(y, spec, known, by_time):
            divide_again(y[fit], known.of(fit, salt=1))
