"""What an object has learned, as values that are read back without running anything.

A pickle may hold any model and runs whatever it says when it is read. Here numbers, texts, arrays,
lists and the states of random generators are written, and objects by what they hold. Objects are
not made when they are read: those of a ``like`` object that is at hand take what was held. What is
none of these must be in ``like`` as it was; else :class:`Unplain` is raised.
"""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

import msgspec
import numpy as np

_LEAVES = (type(None), bool, float, str, bytes)
_WORD = 1 << 63


class Unplain(Exception):
    """Something that cannot be written down here, or that ``like`` has not."""


def written(value: Any) -> Any:
    """``value`` as lists, numbers, texts and bytes, which MessagePack can hold."""
    return _Writer().node(value)


def read_back(node: Any, like: Any) -> Any:
    """What :func:`written` made ``node`` of; ``like`` is changed into it where it holds objects."""
    try:
        found = _Reader().value(node, like)
        if msgspec.msgpack.encode(written(found)) != msgspec.msgpack.encode(node):
            raise Unplain
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise Unplain from error
    return found


class _Writer:
    """Writes each array, list and object once; where it is met again, its number."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # else another object might get the place of one

    def node(self, value: Any) -> Any:
        kind = type(value)
        if kind in _LEAVES:
            return value
        if kind is int:
            return value if -_WORD <= value < _WORD else ["int", str(value)]
        if isinstance(value, np.generic):
            return ["number", _plain(value.dtype).str, value.tobytes()]
        if kind is tuple:
            return ["tuple", [self.node(v) for v in value]]
        if id(value) in self._numbers:
            return ["again", self._numbers[id(value)]]
        self._numbers[id(value)] = len(self._numbers)
        self._alive.append(value)
        if kind is np.ndarray:
            return ["array", _plain(value.dtype).str, list(value.shape), value.tobytes()]
        if kind is list:
            return ["list", [self.node(v) for v in value]]
        if kind is dict:
            return ["dict", [[self.node(k), self.node(v)] for k, v in value.items()]]
        if kind is np.random.RandomState:
            return ["random", self.node(value.get_state(legacy=False))]
        if kind is np.random.Generator:
            return ["generator", self.node(value.bit_generator.state)]
        if _holds_all_it_is(value):
            return ["object", _name(value), [[k, self.node(v)] for k, v in vars(value).items()]]
        return ["same", _digest(value)]


class _Reader:
    """Reads in the order in which it was written, so that numbers are the same."""

    def __init__(self) -> None:
        self._met: list[Any] = []

    def value(self, node: Any, like: Any) -> Any:
        if not isinstance(node, list):
            return node
        return getattr(self, f"_{node[0]}")(*node[1:], like)

    def _int(self, digits: str, _: Any) -> int:
        return int(digits)

    def _number(self, dtype: str, data: bytes, _: Any) -> Any:
        return np.frombuffer(data, dtype=_plain(np.dtype(dtype)))[0]

    def _tuple(self, nodes: list[Any], like: Any) -> tuple[Any, ...]:
        return tuple(self._each(nodes, like))

    def _again(self, number: int, _: Any) -> Any:
        return self._met[number]

    def _array(self, dtype: str, shape: list[int], data: bytes, _: Any) -> np.ndarray:
        found = np.frombuffer(data, dtype=_plain(np.dtype(dtype))).reshape(shape).copy()
        self._met.append(found)
        return found

    def _list(self, nodes: list[Any], like: Any) -> list[Any]:
        found: list[Any] = []
        self._met.append(found)
        found += self._each(nodes, like)
        return found

    def _dict(self, pairs: list[Any], like: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        self._met.append(found)
        known = like if isinstance(like, dict) else {}
        for node, of in pairs:
            key = self.value(node, None)
            found[key] = self.value(of, known.get(key))
        return found

    def _random(self, node: Any, _: Any) -> np.random.RandomState:
        found = np.random.RandomState()
        self._met.append(found)
        found.set_state(self.value(node, None))
        return found

    def _generator(self, node: Any, like: Any) -> np.random.Generator:
        if type(like) is not np.random.Generator:
            raise Unplain
        self._met.append(like)
        like.bit_generator.state = self.value(node, None)
        return like

    def _object(self, name: str, fields: list[Any], like: Any) -> Any:
        if _name(like) != name:
            raise Unplain
        self._met.append(like)
        known = vars(like)
        held = {key: self.value(node, known.get(key)) for key, node in fields}
        known.clear()
        known.update(held)
        return like

    def _same(self, digest: str, like: Any) -> Any:
        if _digest(like) != digest:
            raise Unplain
        self._met.append(like)
        return like

    def _each(self, nodes: list[Any], like: Any) -> list[Any]:
        known = like if isinstance(like, list | tuple) else ()
        return [
            self.value(node, known[at] if at < len(known) else None)
            for at, node in enumerate(nodes)
        ]


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.hasobject or dtype.names is not None:
        raise Unplain
    return dtype


def _name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _holds_all_it_is(value: Any) -> bool:
    """Whether an object is nothing but what its ``__dict__`` holds, as Python itself tells when it
    copies one: no slots, nothing in the memory of a library, no way of its own to be copied."""
    kind = type(value)
    if not hasattr(value, "__dict__") or isinstance(value, type):
        return False
    ways = ("__reduce_ex__", "__reduce__")
    if any(getattr(kind, way) != getattr(object, way) for way in ways):
        return False
    try:
        _, of, state, *more = value.__reduce_ex__(2)
    except TypeError:
        return False
    return of == (kind,) and not isinstance(state, tuple) and not any(x is not None for x in more)


def _digest(value: Any) -> str:
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception as error:
        raise Unplain from error
