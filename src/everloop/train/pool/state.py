"""A pool as files of a package, from which it goes on: LightGBM's text, graphs, and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from everloop.errors import Integrity
from everloop.train.pool.forest import Forest
from everloop.train.pool.front import Front
from everloop.train.pool.growing import Growth
from everloop.train.pool.links import described, link_from
from everloop.train.pool.mixing import Kept, Mixture
from everloop.train.pool.model import PoolModel
from everloop.train.pool.pool import Family, Pool

STATE = "pool/pool.json"
FORMAT = 1
_TYPES = ("<f4", "<f8")


class Array(msgspec.Struct, frozen=True):
    """Numbers, row after row, little-endian; in JSON as base64."""

    type: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, values: np.ndarray) -> Array:
        kind = "<f4" if values.dtype == np.float32 else "<f8"
        return cls(kind, values.shape, values.astype(kind).tobytes())

    def values(self) -> np.ndarray:
        size = np.dtype(self.type).itemsize if self.type in _TYPES else 0
        if math.prod(self.shape) * size != len(self.data) or not size:
            raise ValueError(f"an array of {len(self.data)} bytes is not {self.shape}")
        return np.frombuffer(self.data, self.type).reshape(self.shape).astype(self.type[1:])


class KeptState(msgspec.Struct, frozen=True):
    scores: Array
    y: Array
    weight: float


class MixtureState(msgspec.Struct, frozen=True):
    members: int
    outputs: int
    losses: Array
    ways: Array
    kept: list[KeptState]
    fitted: Array | None


class ForestState(msgspec.Struct, frozen=True):
    rows: int
    fresh: bool
    values: Array
    mass: Array


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """``pool/pool.json``.

    ``until`` is the event time (ms) of the newest row it learned from, ``threshold`` what decides
    between two classes.
    """

    format: int = FORMAT
    link: dict[str, Any]
    seed: int
    windows: int
    codes: list[int]
    growth: dict[str, Any]
    mixture: MixtureState
    families: list[ForestState]
    until: int
    threshold: float | None = None


@dataclass(frozen=True)
class Restored:
    """A pool that was read, and what is known beside it."""

    model: PoolModel
    until: int
    threshold: float | None


def written(model: PoolModel, until: int, threshold: float | None = None) -> dict[str, bytes]:
    """The files of a package, by name."""
    pool = model.pool
    assert pool.mixture is not None, "a pool with a family has a mixture"
    state = PoolState(
        link=described(pool.link),
        seed=pool.seed,
        windows=pool.windows,
        codes=model.codes.tolist(),
        growth=vars(pool.growth),
        mixture=_mixture_state(pool.mixture),
        families=[_forest_state(family.forest) for family in pool.families],
        until=until,
        threshold=threshold,
    )
    files = {STATE: msgspec.json.encode(state)}
    for place, family in enumerate(pool.families):
        trees, front = _names(place)
        files[trees] = family.forest.text.encode()
        files[front] = family.front.model
    return files


def read(folder: Path) -> Restored | None:
    """The pool of a package's folder; None where it keeps none.

    Raises :class:`~everloop.errors.Integrity` when its files do not fit together.
    """
    if not (folder / STATE).is_file():
        return None
    names = [STATE, *_names(0), *_names(1)]
    return restored({n: (folder / n).read_bytes() for n in names if (folder / n).is_file()})


def restored(files: Mapping[str, bytes]) -> Restored:
    """The pool of such files."""
    try:
        state = msgspec.json.decode(files[STATE], type=PoolState)
        if state.format != FORMAT:
            raise ValueError(f"its format is {state.format}, expected {FORMAT}")
        pool = Pool(link_from(state.link), state.seed)
        pool.windows, pool.growth = state.windows, Growth(**state.growth)
        pool.families = [_family(files, p, told, pool) for p, told in enumerate(state.families)]
        pool.mixture = _mixture(state.mixture)
        members = sum(len(family.forest.values) for family in pool.families)
        if pool.mixture.members != members:
            raise ValueError(f"{pool.mixture.members} weights for {members} members")
    except (KeyError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise Integrity(f"{STATE}: the pool cannot be read: {error}.") from error
    model = PoolModel(pool, np.array(state.codes, dtype=np.int64))
    return Restored(model, state.until, state.threshold)


def _names(place: int) -> tuple[str, str]:
    return f"pool/trees{place}.txt", f"pool/front{place}.onnx"


def _forest_state(forest: Forest) -> ForestState:
    values, mass = Array.of(forest.values), Array.of(forest.mass)
    return ForestState(forest.rows, forest.fresh, values, mass)


def _family(files: Mapping[str, bytes], place: int, told: ForestState, pool: Pool) -> Family:
    trees, front = _names(place)
    forest = Forest(files[trees].decode(), pool.link.outputs, told.rows)
    values, mass = told.values.values(), told.mass.values()
    if values.shape != forest.values.shape or mass.shape != forest.mass.shape:
        raise ValueError(f"{trees} has {forest.values.shape[1]} leaves, not {values.shape[1]}")
    forest.values, forest.mass, forest.fresh = values, mass, told.fresh
    return Family(Front(files[front]), forest)


def _mixture_state(mixture: Mixture) -> MixtureState:
    kept = [KeptState(Array.of(k.scores), Array.of(k.y), k.weight) for k in mixture.kept]
    fitted = None if mixture.fitted is None else Array.of(mixture.fitted)
    losses, ways = Array.of(mixture.losses), Array.of(mixture.ways)
    return MixtureState(mixture.members, mixture.outputs, losses, ways, kept, fitted)


def _mixture(told: MixtureState) -> Mixture:
    kept = [Kept(k.scores.values(), k.y.values(), k.weight) for k in told.kept]
    fitted = None if told.fitted is None else told.fitted.values()
    return Mixture(
        told.members, told.outputs, told.losses.values(), told.ways.values(), kept, fitted
    )
