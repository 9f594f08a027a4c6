"""A fair sample of rows that come a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

_KEY, _AT = "__key", "__row"
MOST_VALUES = 1_000  # of a column whose every value is to be in the sample


class Sampler:
    """Keeps the rows with the ``size`` smallest of random keys.

    That is a simple random sample whatever the number of rows (Vitter, 1985, solves the same with
    fewer draws); memory is that of twice the sample. Of the column ``every`` the first row of each
    value that it has not is kept beside it, while there are at most 1,000 values.

    Attributes
    ----------
    rows : how many there were.
    """

    def __init__(self, size: int, seed: int, every: str | None = None) -> None:
        self.rows = 0
        self._size, self._every = size, every
        self._rng = np.random.default_rng(seed)
        self._limit = 1.0
        self._kept: pl.DataFrame | None = None
        self._seen: set[Any] = set()
        self._first: list[pl.DataFrame] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Look at the next rows."""
        keyed = batch.with_columns(
            pl.Series(_KEY, self._rng.random(batch.height)),
            pl.int_range(self.rows, self.rows + batch.height).alias(_AT),
        )
        self.rows += batch.height
        self._note(keyed)
        fresh = keyed.filter(pl.col(_KEY) < self._limit)
        self._kept = fresh if self._kept is None else _stacked([self._kept, fresh])
        if self._kept.height > 2 * self._size:
            self._kept = self._kept.bottom_k(self._size, by=_KEY).rechunk()
            self._limit = float(self._kept[_KEY].max())  # type: ignore[arg-type]

    def frame(self) -> pl.DataFrame:
        """The sample so far, in the order of the rows."""
        if self._kept is None:
            return pl.DataFrame()
        kept = self._kept.bottom_k(min(self._size, self._kept.height), by=_KEY)
        if self._first and len(self._seen) <= MOST_VALUES:
            absent = ~pl.col(str(self._every)).is_in(kept[str(self._every)].unique().implode())
            kept = _stacked([kept, _stacked(self._first).filter(absent)])
        return kept.sort(_AT).drop(_KEY, _AT)

    def _note(self, keyed: pl.DataFrame) -> None:
        if self._every not in keyed.columns or len(self._seen) > MOST_VALUES:
            return
        values = keyed[self._every].drop_nulls().unique().to_list()
        fresh = [value for value in values if value not in self._seen]
        self._seen.update(fresh)
        if fresh and len(self._seen) <= MOST_VALUES:
            column = pl.col(str(self._every))
            new = keyed.filter(column.is_in(fresh)).unique(self._every, keep="first")
            self._first.append(new)


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal_relaxed")
