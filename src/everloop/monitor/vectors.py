"""The sketch of vectors, such as embeddings: where they lie, how they spread, and a few of them.

Vectors of more than 32 numbers are projected onto 32 fixed random directions, which keep
distances within some 12 % (Johnson & Lindenstrauss, 1984), so that a sketch has one size.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

WIDE = 32  # numbers that are kept of a vector
Floats = NDArray[np.float64]


class VectorSketch(msgspec.Struct, tag="vector", tag_field="kind", frozen=True):
    """``covariance`` is k by k and ``sample`` m by k, float32; k is the length of ``mean``."""

    n: int
    missing: int
    size: int  # numbers of a vector
    mean: tuple[float, ...]
    covariance: bytes
    sample: bytes
    rows_per_draw: float = 1.0

    @property
    def rows(self) -> int:
        return self.n + self.missing

    @property
    def spread(self) -> Floats:
        """The covariance, k by k."""
        found = np.frombuffer(self.covariance, np.float32).astype(np.float64)
        return found.reshape(len(self.mean), len(self.mean))

    @property
    def kept(self) -> Floats:
        """The sample, m by k; without a row where none was kept."""
        found = np.frombuffer(self.sample, np.float32).astype(np.float64)
        return found.reshape(-1, max(len(self.mean), 1))


class Moved(NamedTuple):
    """How far the mean went along each axis of the reference, in its standard deviations."""

    axes: Floats
    draws: float
    doubt: float  # standard error of the reference itself


@cache
def projection(size: int) -> Floats:
    """``size`` by at most :data:`WIDE`: nothing changes up to that many numbers."""
    if size <= WIDE:
        return np.eye(size)
    drawn = np.random.default_rng(size).standard_normal((size, WIDE))
    axes: Floats = np.linalg.qr(drawn)[0] * np.sqrt(size / WIDE)
    return axes


def moved(reference: VectorSketch, window: VectorSketch) -> Moved | None:
    """None where there is too little to tell, or vectors are of another size."""
    if reference.size != window.size or reference.n < 8 or window.n < 2:
        return None
    sizes, axes = np.linalg.eigh(reference.spread)
    most = max(1, reference.n // 4)
    known = np.flatnonzero(sizes > max(float(sizes[-1]), 0.0) * 1e-6)[-most:]
    if not len(known) or sizes[-1] <= 0:
        return None
    apart = (np.array(window.mean) - np.array(reference.mean)) @ axes[:, known]
    draws = max(1.0, window.n / reference.rows_per_draw)
    doubt = float(np.sqrt(reference.rows_per_draw / reference.n))
    return Moved(apart / np.sqrt(sizes[known]), draws, doubt)
