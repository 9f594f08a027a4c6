"""A fair sample of rows that come a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
        self._kept: list[pl.DataFrame] = []
        self._seen: set[Any] = set()
        self._first: list[pl.DataFrame] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Look at the next rows."""
        keys = self._rng.random(batch.height)
        self._note(batch, keys)
        # Copied out row by row: what filtering leaves holds on to much more than its rows.
        self._kept.append(self._keyed(batch, keys, np.flatnonzero(keys < self._limit)))
        self.rows += batch.height
        if sum(frame.height for frame in self._kept) > 2 * self._size:
            best = _stacked(self._kept).bottom_k(self._size, by=_KEY).rechunk()
            self._kept = [best]
            self._limit = float(best[_KEY].max())  # type: ignore[arg-type]

    def frame(self) -> pl.DataFrame:
        """The sample so far, in the order of the rows."""
        if not self._kept:
            return pl.DataFrame()
        kept = _stacked(self._kept)
        kept = kept.bottom_k(min(self._size, kept.height), by=_KEY)
        if self._first and len(self._seen) <= MOST_VALUES:
            absent = ~pl.col(str(self._every)).is_in(kept[str(self._every)].unique().implode())
            kept = _stacked([kept, _stacked(self._first).filter(absent)])
        return kept.sort(_AT).drop(_KEY, _AT)

    def _keyed(
        self, batch: pl.DataFrame, keys: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> pl.DataFrame:
        own = pl.Series(_KEY, keys[rows]), pl.Series(_AT, self.rows + rows)
        return batch[rows].with_columns(*own).rechunk()

    def _note(self, batch: pl.DataFrame, keys: NDArray[np.float64]) -> None:
        """Keep the first row of each value that was not seen before."""
        if self._every not in batch.columns or len(self._seen) > MOST_VALUES:
            return
        column = batch[self._every]
        values = column.drop_nulls().unique().to_list()
        fresh = [value for value in values if value not in self._seen]
        self._seen.update(fresh)
        if fresh and len(self._seen) <= MOST_VALUES:
            first = (column.is_first_distinct() & column.is_in(fresh)).fill_null(False)
            self._first.append(self._keyed(batch, keys, np.flatnonzero(first.to_numpy())))


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal_relaxed")
