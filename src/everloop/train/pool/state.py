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
from everloop.train.pool import FOLDER, STATE
from everloop.train.pool.forest import Forest
from everloop.train.pool.front import Front
from everloop.train.pool.growing import Growth
from everloop.train.pool.line import Line
from everloop.train.pool.links import described, link_from
from everloop.train.pool.mixing import Mixture
from everloop.train.pool.model import PoolModel
from everloop.train.pool.pool import Family, Kind, Pool

FORMAT = 2
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


class MixtureState(msgspec.Struct, frozen=True):
    members: int
    outputs: int
    losses: Array
    mixed: float
    ways: Array
    fits: Array
    bends: Array


class FamilyState(msgspec.Struct, frozen=True):
    """``values`` are leaves or weights; ``mass`` what they remember, or how sure they are; ``used``
    and ``width`` the columns of a line."""

    kind: Kind
    number: int
    rows: int
    fresh: bool
    values: Array
    mass: Array
    used: list[int] = []
    width: int = 0


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """``pool/pool.json``.

    ``until`` is the event time (ms) of the newest row it learned from, ``threshold`` what decides
    between two classes.
    """

    format: int = FORMAT
    link: dict[str, Any]
    windows: int
    codes: list[int]
    growth: dict[str, Any]
    mixture: MixtureState
    families: list[FamilyState]
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
        windows=pool.windows,
        codes=model.codes.tolist(),
        growth=vars(pool.growth),
        mixture=_mixture_state(pool.mixture),
        families=[_family_state(family) for family in pool.families],
        until=until,
        threshold=threshold,
    )
    files = {STATE: msgspec.json.encode(state)}
    for family in pool.families:
        files[_front(family.number)] = family.front.model
        if isinstance(family.model, Forest):
            files[_trees(family.number)] = family.model.text.encode()
    return files


def read(folder: Path) -> Restored | None:
    """The pool of a package's folder; None where it keeps none.

    Raises :class:`~everloop.errors.Integrity` when its files do not fit together.
    """
    if not (folder / STATE).is_file():
        return None
    kept = (path for path in (folder / STATE).parent.iterdir() if path.is_file())
    return restored({f"{FOLDER}/{path.name}": path.read_bytes() for path in kept})


def restored(files: Mapping[str, bytes]) -> Restored:
    """The pool of such files."""
    try:
        state = msgspec.json.decode(files[STATE], type=PoolState)
        if state.format != FORMAT:
            raise ValueError(f"its format is {state.format}, expected {FORMAT}")
        pool = Pool(link_from(state.link))
        pool.windows, pool.growth = state.windows, Growth(**state.growth)
        pool.families = [_family(files, told, pool) for told in state.families]
        pool.mixture = _mixture(state.mixture)
        members = sum(family.model.members for family in pool.families)
        if pool.mixture.members != members:
            raise ValueError(f"{pool.mixture.members} weights for {members} members")
    except (KeyError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise Integrity(f"{STATE}: the pool cannot be read: {error}.") from error
    model = PoolModel(pool, np.array(state.codes, dtype=np.int64))
    return Restored(model, state.until, state.threshold)


def _trees(number: int) -> str:
    return f"{FOLDER}/trees{number}.txt"


def _front(number: int) -> str:
    return f"{FOLDER}/front{number}.onnx"


def _family_state(family: Family) -> FamilyState:
    model, about = family.model, (family.kind, family.number)
    if isinstance(model, Line):
        values, mass, used = Array.of(model.weights), Array.of(model.bends), model.used.tolist()
        return FamilyState(*about, model.rows, model.fresh, values, mass, used, model.width)
    return FamilyState(
        *about, model.rows, model.fresh, Array.of(model.values), Array.of(model.mass)
    )


def _family(files: Mapping[str, bytes], told: FamilyState, pool: Pool) -> Family:
    model: Forest | Line
    values, mass = told.values.values(), told.mass.values()
    if told.kind == "line":
        model = Line(np.array(told.used, dtype=np.int64), told.width, pool.link.outputs)
        shapes = model.weights.shape, model.bends.shape
        model.weights, model.bends, model.rows = values, mass, told.rows
    else:
        model = Forest(files[_trees(told.number)].decode(), pool.link.outputs, told.rows)
        shapes = model.values.shape, model.mass.shape
        model.values, model.mass = values, mass
    if (values.shape, mass.shape) != shapes:
        raise ValueError(f"family {told.number} is {values.shape}, expected {shapes[0]}")
    model.fresh = told.fresh
    return Family(told.kind, told.number, Front(files[_front(told.number)]), model)


def _mixture_state(mixture: Mixture) -> MixtureState:
    parts = (mixture.ways, mixture.fits, mixture.bends)
    ways, fits, bends = (Array.of(part) for part in parts)
    losses = Array.of(mixture.losses)
    return MixtureState(mixture.members, mixture.outputs, losses, mixture.mixed, ways, fits, bends)


def _mixture(told: MixtureState) -> Mixture:
    size = told.members + told.outputs
    made = Mixture(
        told.members, told.outputs, told.losses.values(), told.mixed,
        told.ways.values(), told.fits.values(), told.bends.values(),
    )  # fmt: skip
    if made.fits.shape[1:] != (size,) or made.bends.shape[1:] != (size, size):
        raise ValueError(f"fits of {made.fits.shape} for {size} coefficients")
    return made
