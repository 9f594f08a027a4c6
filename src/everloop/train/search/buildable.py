"""Whether an algorithm has the parameters that a loop file declares for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from everloop.data.schema import Schema
from everloop.errors import InvalidInput, did_you_mean, invalid
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.search.space import first_of
from everloop.train.spec import TrainSpec


def check_spaces(spec: TrainSpec, schema: Schema, rows: int, seed: int) -> None:
    """Refuse declared parameters that an algorithm does not have.

    Of algorithms with plain names only, since nobody's own module is imported for a check.
    Raises :class:`~everloop.errors.InvalidInput`.
    """
    for name, declared in spec.space.items():
        if ":" not in name:
            candidate = candidates.get(name, "train.space")()
            params = candidate.defaults(rows) | first_of(declared)
            check_buildable(name, candidate, schema, seed, params, declared)


def check_buildable(
    name: str,
    candidate: Candidate,
    schema: Schema,
    seed: int,
    params: dict[str, Any],
    declared: Mapping[str, Any],
) -> None:
    """Build the candidate once with ``params``; what its class refuses is refused here.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    try:
        built = candidate.build(schema, schema.task, seed, params)
    except TypeError as error:
        if not declared:
            raise
        raise _refused(name, sorted(declared), f"{error}.") from None
    known = _silent(built)
    for key in declared:
        guess = did_you_mean(key, known) if known and key not in known else None
        if guess is not None:
            raise _refused(name, key, guess)


def _refused(name: str, got: Any, fix: str) -> InvalidInput:
    expected = "parameters of the algorithm"
    return invalid(f"train.space.{name}", got, expected, code="bad_space", fix=fix)


def _silent(built: Any) -> list[str]:
    """The parameters of an estimator that takes any other in silence (LightGBM); else nothing."""
    steps = getattr(built, "steps", None)
    model = steps[-1][1] if isinstance(steps, list) else built  # a policy counts its steps
    taken = inspect.signature(type(model).__init__).parameters.values()
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken):
        return []
    return [p.name for p in taken if p.kind is not inspect.Parameter.VAR_KEYWORD]
