"""Vectors in constant memory: their mean, how they spread, and a sample for tests of shape."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.monitor.dependence import rows_per_draw
from everloop.monitor.vectors import WIDE, Floats, VectorSketch, projection

SAMPLE = 256  # vectors that are kept
_LOOKED_AT = 1 << 16  # first vectors, by which the dependence of neighbours is told


class VectorState(msgspec.Struct, frozen=True, tag="vector", tag_field="kind"):
    """A :class:`VectorSummary` as it is kept; without a sample where no value may be told."""

    size: int
    n: int
    missing: int
    mean: bytes
    cross: bytes
    sample: bytes
    keys: bytes
    rows_per_draw: float


class VectorSummary:
    """Vectors of one size seen so far; merging two is as good as seeing both in one pass.

    The moments are exact (Chan, Golub & LeVeque, COMPSTAT 1982) in the space of
    :func:`~everloop.monitor.vectors.projection`; the sample is that of the smallest random keys,
    which merges to a sample of both. Keys come from the values, so the same rows keep the same.
    """

    def __init__(self, size: int = 0) -> None:
        self.n = self.missing = 0
        self.rows_per_draw = 1.0
        self._begin(size)

    def _begin(self, size: int) -> None:
        """Vectors have ``size`` numbers; 0 until the first one is seen."""
        self.size = size
        wide = min(size, WIDE)
        self.mean: Floats = np.zeros(wide)
        self.cross: Floats = np.zeros((wide, wide))
        self.sample = np.zeros((0, wide), np.float32)
        self.keys: NDArray[np.uint64] = np.zeros(0, np.uint64)

    @property
    def rows(self) -> int:
        return self.n + self.missing

    @property
    def distinct(self) -> int:
        """Not known: nothing of single vectors is counted."""
        return self.n

    def add(self, vectors: Floats) -> None:
        """Look at n vectors, n by size; with a NaN or an infinity, or of another size, they
        count as missing."""
        there = np.isfinite(vectors).all(axis=1)
        if self.size and vectors.shape[1] != self.size:
            there = np.zeros(len(vectors), np.bool_)
        self.missing += int((~there).sum())
        if not there.any():
            return
        if not self.size:
            self._begin(vectors.shape[1])
        kept = vectors[there] @ projection(self.size)
        if not self.n:
            self.rows_per_draw = _per_draw(kept[:_LOOKED_AT, 0])
        mean = kept.mean(axis=0)
        away = kept - mean
        self._moments(len(kept), mean, away.T @ away)
        keys = _keys(kept.tobytes(), len(kept))
        self._keep(kept.astype(np.float32), keys)

    def add_some(self, values: Sequence[str], read: Callable[[list[str]], Floats]) -> None:
        """Look at values that are dear to turn into vectors: at those alone that enter the sample,
        which then tells the moments too."""
        keys = _keys("\0".join(values).encode(), len(values))
        order = np.argsort(keys)[:SAMPLE]
        if len(self.keys) == SAMPLE:
            order = order[keys[order] < self.keys[-1]]
        if len(order):
            vectors = np.asarray(read([values[i] for i in order]), dtype=np.float64)
            if not self.size:
                self._begin(vectors.shape[1])
            self._keep((vectors @ projection(self.size)).astype(np.float32), keys[order])
        self._moments_of_sample()

    def _moments_of_sample(self) -> None:
        self.n = len(self.sample)
        sample = self.sample.astype(np.float64)
        self.mean = sample.mean(axis=0)
        self.cross = (sample - self.mean).T @ (sample - self.mean)

    def _moments(self, n: int, mean: Floats, cross: Floats) -> None:
        total = self.n + n
        apart = mean - self.mean
        self.mean = self.mean + apart * n / total
        self.cross = self.cross + cross + np.outer(apart, apart) * self.n * n / total
        self.n = total

    def _keep(self, vectors: NDArray[np.float32], keys: NDArray[np.uint64]) -> None:
        keys = np.concatenate([self.keys, keys])
        order = np.argsort(keys, kind="stable")[:SAMPLE]
        self.sample = np.concatenate([self.sample, vectors])[order]
        self.keys = keys[order]

    def merge(self, other: VectorSummary) -> None:
        """Take in what ``other`` saw, which stays as it is; of another size it is missing."""
        if other.n and not self.size:
            self._begin(other.size)
        self.missing += other.missing
        if not other.n:
            return
        if other.size != self.size:
            self.missing += other.n
            return
        share = other.n / (self.n + other.n)
        self.rows_per_draw += (other.rows_per_draw - self.rows_per_draw) * share
        self._moments(other.n, other.mean, other.cross)
        self._keep(other.sample, other.keys)

    def sketch(self) -> VectorSketch:
        """The same as drift tests take it."""
        spread = self.cross / max(self.n, 1)
        return VectorSketch(
            n=self.n,
            missing=self.missing,
            size=self.size,
            mean=tuple(self.mean.tolist()),
            covariance=spread.astype(np.float32).tobytes(),
            sample=self.sample.tobytes(),
            rows_per_draw=self.rows_per_draw,
        )

    def state(self, private: bool = False) -> VectorState:
        """As it is kept; ``private`` leaves the sample out."""
        return VectorState(
            size=self.size,
            n=self.n,
            missing=self.missing,
            mean=self.mean.tobytes(),
            cross=self.cross.tobytes(),
            sample=b"" if private else self.sample.tobytes(),
            keys=b"" if private else self.keys.tobytes(),
            rows_per_draw=self.rows_per_draw,
        )

    @classmethod
    def of(cls, state: VectorState) -> VectorSummary:
        """What :meth:`state` told."""
        made = cls(state.size)
        wide = min(state.size, WIDE)
        made.n, made.missing = state.n, state.missing
        made.mean = np.frombuffer(state.mean, np.float64)
        made.cross = np.frombuffer(state.cross, np.float64).reshape(wide, wide)
        made.sample = np.frombuffer(state.sample, np.float32).reshape(-1, wide or 1)[:, :wide]
        made.keys = np.frombuffer(state.keys, np.uint64)
        made.rows_per_draw = state.rows_per_draw
        return made


def sketch_vectors(vectors: Floats) -> VectorSketch:
    """The sketch of n vectors in time order."""
    summary = VectorSummary()
    summary.add(vectors)
    return summary.sketch()


def _per_draw(values: Floats) -> float:
    """How many vectors in a row are worth one, by the fifths of one of their numbers."""
    edges = np.unique(np.quantile(values, [0.2, 0.4, 0.6, 0.8]))
    return rows_per_draw(np.searchsorted(edges, values, side="right"), len(edges) + 1)


def _keys(data: bytes, n: int) -> NDArray[np.uint64]:
    seed = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    return np.random.default_rng(seed).integers(0, 2**63, n, dtype=np.uint64)
