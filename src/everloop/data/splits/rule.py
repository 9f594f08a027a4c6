"""Which rows test, told from a row alone, for tables that are read a batch at a time."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_instant, as_kind
from everloop.data.schema import Schema
from everloop.data.splits._base import millis
from everloop.data.splits.hashing import Hashes, fraction, hash_columns
from everloop.data.splits.holdout import How
from everloop.durations import milliseconds
from everloop.errors import InvalidInput, invalid

Mask = NDArray[np.bool_]


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of three ways: by hash, by time, or by place.

    Attributes
    ----------
    how : in words.
    share, seed, group_by : rows whose hash, or whose group's, lies below the share test.
    cut, gap : rows from this instant on test (milliseconds since 1970, UTC); those in the gap
        before it are left out.
    first : rows from this number on, counted from 0, test.
    """

    how: str
    share: float | None = None
    seed: int = 0
    group_by: str | None = None
    cut: int | None = None
    gap: int = 0
    first: int | None = None

    def sides(self, df: pl.DataFrame, schema: Schema, at: int) -> tuple[Mask, Mask]:
        """Which rows of a batch train and which test; ``at`` is the number of its first row."""
        if self.cut is not None:
            times = millis(df, str(schema.time))
            return times < self.cut - self.gap, times >= self.cut
        if self.first is not None:
            test = np.arange(at, at + df.height) >= self.first
        else:
            test = fraction(self._hashes(df, schema)) < float(self.share or 0)
        return ~test, test

    def _hashes(self, df: pl.DataFrame, schema: Schema) -> Hashes:
        """As :func:`~everloop.data.splits.hashing.row_hash`, of values of the schema's types: a
        row that comes from elsewhere has the hash of its equal here."""
        if key := self.group_by or schema.id:
            columns = [df[key]]
        else:
            columns = [as_kind(df[f.name], f.kind) for f in schema.features]
        return hash_columns(columns, df.height, self.seed)


def split_rule(
    sample: pl.DataFrame,
    schema: Schema,
    rows: int,
    newest: int | None,
    holdout: float | str,
    seed: int,
    how: How = "auto",
    train_rows: int | None = None,
    group_by: str | None = None,
    gap: str | None = None,
) -> Rule:
    """The rule that comes nearest to :func:`~everloop.data.splits.split` of all rows.

    A share of time is cut at the quantile of the ``sample``, and ``stratified`` is met as a draw
    meets it.

    Parameters
    ----------
    sample : a fair one of all ``rows``.
    newest : the greatest time of all rows, in milliseconds.

    Raises :class:`~everloop.errors.InvalidInput` for what needs all rows at once.
    """
    wait = 0 if gap is None else milliseconds(gap, "evaluate.gap")
    by_hash = how in ("random", "stratified") or (how == "auto" and schema.time is None)
    if train_rows is None and isinstance(holdout, float) and by_hash:
        return Rule(
            f"about {holdout:.0%} by the hash of {_hashed(schema, group_by)} (seed {seed})",
            share=holdout,
            seed=seed,
            group_by=group_by,
        )
    if group_by is not None:
        raise _at_once("evaluate.group_by", group_by, 'Set evaluate.split to "random".')
    if schema.time is None:
        share = 1.0 - float(holdout)
        first = round(rows * share) if train_rows is None else train_rows
        if not 0 < first < rows:
            raise invalid("evaluate.train_rows", train_rows, f"a number from 1 to {rows - 1:,}")
        return Rule(f"the rows after the first {first:,}", first=first)
    if isinstance(holdout, str) and train_rows is None and newest is not None:
        cut = newest - milliseconds(holdout, "evaluate.holdout") + 1
    else:
        share = 1.0 - float(holdout) if train_rows is None else train_rows / rows
        cut = _quantile(sample[schema.time], share)
    since = pl.Series([cut]).cast(pl.Datetime("ms"))[0]
    return Rule(f"the rows from {since} on", cut=cut, gap=wait)


def _hashed(schema: Schema, group_by: str | None) -> str:
    return group_by or schema.id or "the features"


def _quantile(times: pl.Series, share: float) -> int:
    ordered = as_instant(times).dt.epoch("ms").sort()
    place = min(max(round(len(ordered) * share), 0), len(ordered) - 1)
    cut = int(ordered[place])
    if cut == ordered[0]:  # equal times stay on one side, and some rows train
        later = ordered.filter(ordered > cut)
        cut = int(later[0]) if len(later) else cut
    return cut


def _at_once(field: str, got: Any, fix: str) -> InvalidInput:
    expected = "a division that a row alone tells, as rows are read in passes"
    return invalid(field, got, expected, fix=fix, code="not_streamed")
