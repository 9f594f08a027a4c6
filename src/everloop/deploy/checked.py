"""Whether a declared rollout can be carried out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from everloop import extensions
from everloop.deploy.spec import RolloutSpec
from everloop.durations import seconds
from everloop.errors import InvalidInput, invalid


def check_rollout(spec: RolloutSpec, field: str = "deploy.rollout") -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for a rollout that cannot be carried out."""
    steps = spec.steps
    rising = all(a < b for a, b in pairwise(steps))
    if not steps or not rising or not all(0 < s <= 1 for s in steps) or steps[-1] != 1.0:
        raise invalid(
            f"{field}.steps",
            list(steps),
            "rising shares of (0, 1], the last 1.0",
            fix="For example [0.05, 0.25, 1.0].",
        )
    for name in ("max_error_rate", "max_shift", "max_disagreement", "max_wrong"):
        if not 0 <= getattr(spec, name) < 1:
            raise invalid(f"{field}.{name}", getattr(spec, name), "a share in [0, 1)")
    if not 0 < spec.share < 1:
        raise invalid(f"{field}.share", spec.share, "a share between 0 and 1")
    if not spec.max_latency >= 1:
        raise invalid(f"{field}.max_latency", spec.max_latency, "1 or more")
    for name in ("max_p99_ms", "tolerance"):
        if not 0 <= getattr(spec, name) < float("inf"):
            raise invalid(f"{field}.{name}", getattr(spec, name), "0 or more")
    if spec.min_requests < 1:
        raise invalid(f"{field}.min_requests", spec.min_requests, "1 or more")
    for name in ("hold", "keep"):
        seconds(getattr(spec, name), f"{field}.{name}")
    for name in spec.guards:
        extensions.guards.get(name, f"{field}.guards")


def changed(spec: RolloutSpec, values: dict[str, Any], field: str = "rollout") -> RolloutSpec:
    """``spec`` with other values of some fields, checked.

    Raises :class:`~everloop.errors.InvalidInput` for a field or a value that is none.
    """
    try:
        found = msgspec.convert({**msgspec.to_builtins(spec), **values}, RolloutSpec)
    except msgspec.ValidationError as error:
        said, _, at = str(error).partition(" - at `$")
        path = field + at.rstrip("`")
        raise InvalidInput(f"{path}: {said}.", code="invalid_value", path=path) from None
    check_rollout(found, field)
    return found


def check_task(spec: RolloutSpec, task: str, field: str = "rollout") -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for a kind that does not fit the task."""
    if spec.kind == "interleave" and task != "ranking":
        raise invalid(f"{field}.kind", spec.kind, f"a kind for the task {task}: ab compares it too")
    if spec.kind in ("ab", "bandit", "interleave") and task == "policy":
        wanted = "a kind for the task policy, whose actions get no labels to compare by"
        raise invalid(f"{field}.kind", spec.kind, wanted)


def check_beside(spec: RolloutSpec, version: int, beside: Sequence[int]) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for more versions than a kind can compare."""
    if beside and spec.kind not in ("ab", "bandit"):
        raise invalid("beside", list(beside), f"no other versions in a rollout of kind {spec.kind}")
    if len({version, *beside}) <= len(beside):
        raise invalid("beside", list(beside), f"versions other than {version}, each once")
