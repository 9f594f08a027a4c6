"""One part of the rows is held out to judge what the others taught."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from everloop.data.encode import encode_target
from everloop.data.multilabel import strata
from everloop.data.schema import Schema
from everloop.data.splits._base import Split, groups_of, millis
from everloop.data.splits.by_time import latest_share, newest
from everloop.data.splits.hashing import fraction, row_hash
from everloop.durations import milliseconds
from everloop.errors import invalid

How = Literal["auto", "last", "random", "stratified"]


def split(
    df: pl.DataFrame,
    schema: Schema,
    holdout: float | str,
    seed: int,
    how: How = "auto",
    train_rows: int | None = None,
    group_by: str | None = None,
    gap: str | None = None,
) -> Split:
    """Divide the rows of ``df``, which have their labels.

    Parameters
    ----------
    holdout : share of the rows that test (0 to 1, both excluded), or a duration such as ``"7d"``:
        the newest rows over that time.
    how : ``auto`` takes the newest rows where the schema has a time and random ones elsewhere;
        ``last`` takes the newest, or the last rows of the file; ``random`` ignores order;
        ``stratified`` too, and holds each class to its share to the row.
    train_rows : the first so many rows (by time, where there is one) train and the others test.
    group_by : a column; the rows with one value of it are never on both sides.
    gap : a duration before the first row that tests, whose rows are left out.

    Random rows are those whose hash (see :func:`~everloop.data.splits.row_hash`) lies below the
    share, so that rows to come move none. Rows with equal times stay on one side.

    Raises :class:`~everloop.errors.InvalidInput` when a side would be empty.
    """
    wait = 0 if gap is None else milliseconds(gap, "evaluate.gap")
    if group_by is not None:
        groups_of(df, group_by)
    if train_rows is not None:
        return _whole_groups(df, _first_rows(df, schema, train_rows), group_by)
    if isinstance(holdout, str):
        span = milliseconds(holdout, "evaluate.holdout")
        return _whole_groups(df, newest(df, schema, span, holdout, wait), group_by)
    if not 0 < holdout < 1:
        raise invalid("evaluate.holdout", holdout, "a share between 0 and 1, or a duration")
    if how in ("random", "stratified") or (how == "auto" and schema.time is None):
        return _random(df, schema, holdout, seed, group_by, how == "stratified")
    count = min(max(round(df.height * holdout), 1), df.height - 1)
    if schema.time is not None:
        return _whole_groups(df, latest_share(df, schema.time, count, wait), group_by)
    rows = np.arange(df.height)
    last = Split(rows[:-count], rows[-count:], f"the last {count:,} rows in the order given")
    return _whole_groups(df, last, group_by)


def _first_rows(df: pl.DataFrame, schema: Schema, train_rows: int) -> Split:
    if not 0 < train_rows < df.height:
        raise invalid(
            "evaluate.train_rows",
            train_rows,
            f"a number from 1 to {df.height - 1}, as there are {df.height} rows",
        )
    rows = np.arange(df.height)
    if schema.time is not None:
        rows = np.argsort(millis(df, schema.time), kind="stable")
    return Split(
        rows[:train_rows],
        rows[train_rows:],
        f"the {df.height - train_rows:,} rows after the first {train_rows:,}",
    )


def _whole_groups(df: pl.DataFrame, parts: Split, group_by: str | None) -> Split:
    """Training rows of a group that tests are left out: what is later judges."""
    if group_by is None:
        return parts
    groups = groups_of(df, group_by)
    seen = np.isin(groups[parts.train], groups[parts.test])
    if seen.all():
        raise invalid(
            "evaluate.group_by",
            group_by,
            "groups that do not all occur in the test rows",
            fix='Set evaluate.split to "random".',
        )
    left = f"{parts.how}; {int(seen.sum()):,} training rows of their {group_by} left out"
    return Split(parts.train[~seen], parts.test, left if seen.any() else parts.how)


def _random(
    df: pl.DataFrame, schema: Schema, share: float, seed: int, group_by: str | None, exact: bool
) -> Split:
    hashes = row_hash(df, schema, seed, group_by)
    chosen = fraction(hashes) < share
    same = ""
    if group_by is not None:
        if exact:
            raise invalid("evaluate.split", "stratified", "random, as evaluate.group_by is set")
        same = f", whole {group_by}"
        if chosen.all() or not chosen.any():
            ends = hashes.min() if not chosen.any() else hashes.max()
            chosen ^= hashes == ends  # the group at the edge
    else:
        labels, kept = _strata(df, schema)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            chosen[members] = _of_class(hashes[members], chosen[members], share, exact)
        if kept:
            same = f", {'' if exact else 'about '}the same share of {kept}"
    if not chosen.any():
        raise invalid("evaluate.holdout", share, f"a larger share of the {df.height} rows")
    return Split(
        np.flatnonzero(~chosen),
        np.flatnonzero(chosen),
        f"{int(chosen.sum()):,} random rows (seed {seed}){same}",
    )


def _strata(df: pl.DataFrame, schema: Schema) -> tuple[np.ndarray, str]:
    """A code for each row, and what rows of one code share, in words."""
    if not schema.classes:
        return np.zeros(df.height, np.int64), ""
    labels = encode_target(df, schema)
    if labels.ndim == 1:
        return labels, "" if np.all(labels < 0) else "each class"
    codes, rare = strata(labels)
    if schema.task == "bandit":
        return codes, "each action"
    alone = f" ({rare:,} rare ones count as one)" if rare else ""
    return codes, f"each combination of labels{alone}"


def _of_class(hashes: np.ndarray, chosen: np.ndarray, share: float, exact: bool) -> np.ndarray:
    """Which rows of a class test: of two or more at least one on each side."""
    if exact:
        count = round(len(hashes) * share)
    else:
        count = int(chosen.sum())
        if 0 < count < len(hashes):
            return chosen
    if len(hashes) > 1:
        count = min(max(count, 1), len(hashes) - 1)
    elif not exact:
        count = 0  # the only row of its class teaches it
    found = np.zeros(len(hashes), dtype=bool)
    found[np.argsort(hashes, kind="stable")[:count]] = True
    return found
