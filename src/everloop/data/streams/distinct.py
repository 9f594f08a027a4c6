"""How many different values there are, from a few of their hashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEPT = 1_024


class Distinct:
    """The ``kept`` smallest different hashes: exact below that many values, within some 3 % of
    1,024 above.

    With the k-th smallest at the share u of all hashes there are about ``(k - 1) / u`` values
    (Bar-Yossef et al., 2002). HyperLogLog keeps less for the same error (root mean square of 60
    streams of 10,000 to 200,000 values: 3.1 % by these 8 kB, 2.0 % by 1 kB of Apache's sketch and
    0.9 % by 8 kB), but Apache's takes values one by one from Python, 214 ns each, where these take
    a column at once, 15 ns with its hashing. Few values are counted exactly, and two of these also
    tell how many values they have in common.
    """

    def __init__(self, hashes: Sequence[int] = (), kept: int = KEPT) -> None:
        self.kept = kept
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
        if len(self._hashes) == self.kept:
            hashes = hashes[hashes < self._hashes[-1]]
        if not len(hashes):
            return
        found = np.concatenate([self._hashes, hashes])
        if len(found) > 8 * self.kept:  # the smallest ones do, unless values repeat
            smallest = np.unique(np.partition(found, 4 * self.kept)[: 4 * self.kept])
            if len(smallest) >= self.kept:
                self._hashes = smallest[: self.kept]
                return
        self._hashes = np.unique(found)[: self.kept]

    def merge(self, other: Distinct) -> None:
        """Take in what ``other`` saw; as much is kept as the smaller of the two keeps."""
        self.kept = min(self.kept, other.kept)
        self._hashes = self._hashes[: self.kept]
        self.add_hashes(other.hashes)

    @property
    def count(self) -> int:
        """The number of different values, estimated."""
        if len(self._hashes) < self.kept:
            return len(self._hashes)
        return round((self.kept - 1) / (int(self._hashes[-1]) / 2**64))
