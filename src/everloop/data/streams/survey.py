"""One pass over a table: how many rows, what its columns hold, and a fair sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from everloop.data.columns import as_instant
from everloop.data.streams.distinct import Distinct
from everloop.data.streams.sampling import Sampler
from everloop.data.versions import ColumnStatistics
from everloop.errors import invalid

_EXACT = 2.0**53  # whole numbers above are not all different as floats


@dataclass(frozen=True)
class Survey:
    """What one pass found.

    Attributes
    ----------
    rows : of the whole table.
    sample : so many of them, each row with the same chance, in their order.
    columns : missing values, range and mean over all rows; ``distinct`` within some 3 %.
    whole : columns of numbers without a fraction.
    newest : the greatest time, in milliseconds; None without one.
    """

    rows: int
    sample: pl.DataFrame
    columns: dict[str, ColumnStatistics]
    whole: list[str]
    newest: int | None = None


def survey(
    batches: Iterable[pl.DataFrame],
    size: int = 50_000,
    seed: int = 0,
    every: str | None = None,
    time: str | None = None,
) -> Survey:
    """Look at each batch once; memory is that of a batch and of twice the sample.

    Parameters
    ----------
    every : a column of which each value is to be in the sample, while there are at most 1,000.
    time : a column of instants whose greatest is wanted.
    """
    sampler = Sampler(size, seed, every)
    columns: dict[str, _Column] = {}
    newest: list[int] = []
    for batch in batches:
        sampler.add(batch)
        for series in batch:
            columns.setdefault(series.name, _Column()).add(series)
        if time in batch.columns and batch.height:
            latest = as_instant(batch[str(time)]).dt.epoch("ms").max()
            newest += [] if latest is None else [int(latest)]  # type: ignore[arg-type]
    if sampler.rows == 0:
        raise invalid("data.source", "<no rows>", "at least one row", code="empty_file")
    sample = sampler.frame()
    return Survey(
        sampler.rows,
        sample,
        {name: columns[name].statistics(str(sample[name].dtype)) for name in sample.columns},
        [name for name, column in columns.items() if column.whole and column.known],
        max(newest, default=None),
    )


class _Column:
    """What can be added up of a column."""

    def __init__(self) -> None:
        self.missing, self.known, self.total = 0, 0, 0.0
        self.low, self.high = float("inf"), float("-inf")
        self.whole = True
        self.distinct = Distinct()

    def add(self, series: pl.Series) -> None:
        number = series.dtype.is_numeric()
        values = series.cast(pl.Float64).fill_nan(None) if number else series
        self.missing += values.null_count()
        self.distinct.add(values)
        known = values.drop_nulls() if number else values.head(0).cast(pl.Float64, strict=False)
        self.whole &= number or series.dtype == pl.Null
        if not len(known):
            return
        self.known += len(known)
        self.low = min(self.low, known.min())  # type: ignore[type-var, assignment]
        self.high = max(self.high, known.max())  # type: ignore[type-var, assignment]
        self.total += float(known.sum())
        if self.whole:
            self.whole = max(-self.low, self.high) < _EXACT and bool(
                (known == known.round(0)).all()
            )

    def statistics(self, kind: str) -> ColumnStatistics:
        if not self.known:
            return ColumnStatistics(kind, self.missing, self.distinct.count)
        mean = self.total / self.known
        return ColumnStatistics(kind, self.missing, self.distinct.count, self.low, self.high, mean)
