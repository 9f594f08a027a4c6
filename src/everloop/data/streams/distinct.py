"""How many different values there are, from a few of their hashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEPT = 1_024


class Distinct:
    """The ``KEPT`` smallest different hashes: exact below that many values, within some 3 % above.

    With the k-th smallest at the share u of all hashes there are about ``(k - 1) / u`` values
    (Bar-Yossef et al., 2002).
    """

    def __init__(self, hashes: Sequence[int] = ()) -> None:
        self._hashes = np.array(hashes, dtype=np.uint64)

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """What is kept; giving it to another one merges the two."""
        return self._hashes

    def add(self, series: pl.Series) -> None:
        """Look at the next values; missing ones do not count."""
        if series.dtype.is_nested() or series.dtype == pl.Null:
            return
        self.add_hashes(series.drop_nulls().hash(seed=0).to_numpy())

    def add_hashes(self, hashes: NDArray[np.uint64]) -> None:
        """Look at values by hashes of one's own, which other versions of a library give too."""
        if len(self._hashes) == KEPT:
            hashes = hashes[hashes < self._hashes[-1]]
        if not len(hashes):
            return
        found = np.concatenate([self._hashes, hashes])
        if len(found) > 8 * KEPT:  # the smallest ones do, unless values repeat
            smallest = np.unique(np.partition(found, 4 * KEPT)[: 4 * KEPT])
            if len(smallest) >= KEPT:
                self._hashes = smallest[:KEPT]
                return
        self._hashes = np.unique(found)[:KEPT]

    @property
    def count(self) -> int:
        """The number of different values, estimated."""
        if len(self._hashes) < KEPT:
            return len(self._hashes)
        return round((KEPT - 1) / (int(self._hashes[-1]) / 2**64))
