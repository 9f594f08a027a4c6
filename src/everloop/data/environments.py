"""An environment of gymnasium as the place where a policy learns and is judged.

What it shows becomes the features of a schema: a whole number from a known range is a category, a
real number a number. What can be done in it becomes the classes, whole numbers.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.errors import EverloopError, did_you_mean, invalid

ACTION = "action"
MAX_STATES = 100_000  # levels of one category
FIELD = "data.environment"

Read = Callable[[Any], list[float]]


class _Part(NamedTuple):
    """A feature, and how its columns of ``X`` are read off an observation."""

    feature: Feature
    read: Read


class Environment:
    """``gymnasium.make(name, **arguments)``, its observations as rows of ``X``.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown name, wrong arguments, or spaces
    that a policy here cannot read: actions must be ``Discrete``, observations made of ``Discrete``,
    ``MultiDiscrete``, ``MultiBinary`` and ``Box`` in one dimension, also in a ``Tuple`` or
    ``Dict``.
    """

    def __init__(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        self.name = name
        self.arguments = dict(arguments or {})
        self._gymnasium = _gymnasium()
        world = self.make()
        self._parts = list(_parts(self._gymnasium.spaces, world.observation_space, "state"))
        space = world.action_space
        if not isinstance(space, self._gymnasium.spaces.Discrete):
            raise invalid(FIELD, name, f"an environment with discrete actions, not {space}")
        self.actions, self._first = int(space.n), int(space.start)
        self.max_steps = int(world.spec.max_episode_steps or 1000)
        world.close()

    def make(self) -> Any:
        """A new copy of the environment."""
        error = self._gymnasium.error
        try:
            return self._gymnasium.make(self.name, **self.arguments)
        except error.Error as problem:
            raise invalid(
                FIELD,
                self.name,
                "an environment that gymnasium can make",
                fix=did_you_mean(self.name, self._gymnasium.registry)
                or f"{str(problem).rstrip('.')}.",
                code="unknown_name",
            ) from None
        except Exception as problem:
            raise invalid(
                "data.environment_arguments",
                self.arguments,
                f"arguments of {self.name}",
                fix=f"It says: {type(problem).__name__}: {problem}.",
            ) from None

    @property
    def schema(self) -> Schema:
        """The input of a policy for this environment, and its actions as classes."""
        features = tuple(part.feature for part in self._parts)
        return Schema(features, ACTION, "policy", tuple(range(self.actions)))

    def observe(self, observation: Any) -> list[float]:
        """One row of ``X``."""
        return [value for part in self._parts for value in part.read(observation)]

    def action(self, code: int) -> int:
        """The environment's own number of an action."""
        return self._first + int(code)


def _gymnasium() -> Any:
    try:
        return importlib.import_module("gymnasium")
    except ImportError:
        raise EverloopError(
            "An environment needs gymnasium. pip install everloop[rl]",
            code="missing_extra",
            fix="pip install everloop[rl]",
        ) from None


def _parts(spaces: Any, space: Any, name: str, read: Callable[[Any], Any] = lambda o: o) -> Any:
    if isinstance(space, spaces.Discrete):
        yield _whole(name, int(space.n), int(space.start), read)
    elif isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        sizes = np.ravel(space.nvec if hasattr(space, "nvec") else np.full(space.shape, 2))
        for i, size in enumerate(sizes):
            yield _whole(f"{name}_{i}", int(size), 0, _item(read, i))
    elif isinstance(space, spaces.Box) and len(space.shape) == 1:
        for i in range(space.shape[0]):
            yield _Part(Feature(f"{name}_{i}", "number"), _real(read, i))
    elif isinstance(space, spaces.Tuple):
        for i, inner in enumerate(space.spaces):
            yield from _parts(spaces, inner, f"{name}_{i}", _item(read, i))
    elif isinstance(space, spaces.Dict):
        for key, inner in space.spaces.items():
            yield from _parts(spaces, inner, f"{name}_{key}", _item(read, key))
    else:
        raise invalid(FIELD, str(space), "observations of whole numbers or a row of real ones")


def _whole(name: str, count: int, first: int, read: Callable[[Any], Any]) -> _Part:
    if count > MAX_STATES:
        raise invalid(FIELD, f"{count:,} states", f"at most {MAX_STATES:,} of one category")
    levels = tuple(str(first + i) for i in range(count))
    return _Part(Feature(name, "category", levels), lambda o: [float(int(read(o)) - first)])


def _item(read: Callable[[Any], Any], key: Any) -> Callable[[Any], Any]:
    return lambda observation: read(observation)[key]


def _real(read: Callable[[Any], Any], i: int) -> Read:
    return lambda observation: [float(read(observation)[i])]
