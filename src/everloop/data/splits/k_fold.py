"""Parts that take turns to judge."""

from __future__ import annotations

import numpy as np
import polars as pl

from everloop.data.encode import encode_target
from everloop.data.multilabel import strata
from everloop.data.schema import Schema
from everloop.data.splits._base import Rows, Split, groups_of
from everloop.data.splits.hashing import Hashes, fraction, row_hash
from everloop.errors import invalid


def k_fold(
    df: pl.DataFrame,
    schema: Schema,
    folds: int,
    seed: int,
    group_by: str | None = None,
    stratified: bool = False,
) -> list[Split]:
    """``folds`` divisions in which each row tests once.

    A row's part follows from its hash alone, so rows to come move none; rows with equal features,
    or of one group, are in one part. With ``stratified`` each class is dealt out evenly by the
    order of the hashes instead, which may move a few rows when others come.

    Raises :class:`~everloop.errors.InvalidInput` when a part would be empty.
    """
    if folds < 2:
        raise invalid("folds", folds, "2 or more")
    if group_by is not None:
        groups_of(df, group_by)
    hashes = row_hash(df, schema, seed, group_by)
    if stratified and schema.classes:
        if group_by is not None:
            raise invalid("evaluate.split", "stratified", "random, as groups stay whole")
        part = dealt(hashes, encode_target(df, schema), folds)
    else:
        part = parts_by_hash(hashes, folds)
    if len(np.unique(part)) < folds:
        what = f"values of {group_by}" if group_by else f"the {df.height} rows"
        raise invalid("folds", folds, f"fewer parts than {what} can fill")
    names = f", whole {group_by}" if group_by else ""
    return [
        Split(
            np.flatnonzero(part != k),
            np.flatnonzero(part == k),
            f"part {k + 1} of {folds} (seed {seed}){names}",
        )
        for k in range(folds)
    ]


def parts_by_hash(hashes: Hashes, folds: int) -> Rows:
    """The part (from 0) of each row; equal hashes are in one part.

    So few hashes that a part would be empty are dealt round in their order instead, which may move
    some when others come. With fewer different ones than ``folds`` some parts stay empty.
    """
    part: Rows = np.minimum((fraction(hashes) * folds).astype(np.int64), folds - 1)
    if len(np.unique(part)) < folds:
        different, at = np.unique(hashes, return_inverse=True)
        part = (np.arange(len(different)) % folds)[at]
    return part


def dealt(hashes: Hashes, y: np.ndarray, folds: int) -> Rows:
    """Rows sorted by class (or combination of labels) and hash, dealt round like cards."""
    y = strata(y)[0] if y.ndim == 2 else y
    part = np.empty(len(y), dtype=np.int64)
    part[np.lexsort((hashes, y))] = np.arange(len(y)) % folds
    return part
