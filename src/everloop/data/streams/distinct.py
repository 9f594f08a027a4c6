"""How many different values there are, from a few of their hashes."""

from __future__ import annotations

import numpy as np
import polars as pl

KEPT = 1_024


class Distinct:
    """The ``KEPT`` smallest different hashes: exact below that many values, within some 3 % above.

    With the k-th smallest at the share u of all hashes there are about ``(k - 1) / u`` values
    (Bar-Yossef et al., 2002).
    """

    def __init__(self) -> None:
        self._hashes = np.empty(0, dtype=np.uint64)

    def add(self, series: pl.Series) -> None:
        """Look at the next values; missing ones do not count."""
        if series.dtype.is_nested() or series.dtype == pl.Null:
            return
        hashes = series.drop_nulls().hash(seed=0).to_numpy()
        if len(self._hashes) == KEPT:
            hashes = hashes[hashes < self._hashes[-1]]
        if len(hashes):
            self._hashes = np.unique(np.concatenate([self._hashes, hashes]))[:KEPT]

    @property
    def count(self) -> int:
        """The number of different values, estimated."""
        if len(self._hashes) < KEPT:
            return len(self._hashes)
        return round((KEPT - 1) / (int(self._hashes[-1]) / 2**64))
