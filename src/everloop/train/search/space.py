"""What may be searched: a candidate's own space, and the one that the loop file declares.

In the loop file a parameter is one value (fixed), a list (one of these), or a table::

    [train.space.lightgbm]
    max_depth = 6
    boosting_type = ["gbdt", "dart"]
    num_leaves = { low = 7, high = 255, log = true }

A declared parameter takes the place of the candidate's own of that name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from everloop.errors import invalid

RANGE = frozenset({"low", "high", "log", "step"})


def fixed(declared: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that have one value."""
    return {k: v for k, v in declared.items() if not isinstance(v, list | tuple | dict)}


def several(choice: Any) -> bool:
    """Whether what is declared of a parameter leaves something to choose."""
    if isinstance(choice, dict):
        return bool(choice["low"] < choice["high"])
    return isinstance(choice, list | tuple) and len(choice) > 1


def ranges(space: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The field and what is declared of each parameter that leaves something to choose."""
    for candidate, declared in space.items():
        for name, choice in declared.items():
            if several(choice):
                yield f"train.space.{candidate}.{name}", choice


def within(declared: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """``params`` with those that are declared brought into what is declared.

    A number outside a range becomes its nearer end, one that is not in a list the nearest number of
    it; what is no number gets the first of the list, or the middle of the range.
    """
    found = {**params, **fixed(declared)}
    for name, choice in declared.items():
        if isinstance(choice, list | tuple) and (name not in params or params[name] not in choice):
            found[name] = _nearest(choice, params.get(name))
        elif isinstance(choice, dict):
            found[name] = _inside(choice, params.get(name))
    return found


def _nearest(choice: Sequence[Any], value: Any) -> Any:
    numbers = [one for one in choice if _number(one)]
    if len(numbers) < len(choice) or not _number(value):
        return choice[0]
    return min(numbers, key=lambda one: abs(one - value))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _inside(choice: Mapping[str, Any], value: Any) -> Any:
    low, high, step = choice["low"], choice["high"], choice.get("step")
    if not _number(value):
        value = (low * high) ** 0.5 if choice.get("log") else (low + high) / 2
    value = min(max(value, low), high)
    if step:
        value = low + step * int((value - low) / step)
    whole = all(isinstance(end, int) for end in (low, high))
    return round(value) if whole else value


def first_of(declared: Mapping[str, Any]) -> dict[str, Any]:
    """One value of each parameter: the fixed one, the first of a list, the low end of a range."""
    ends = {k: v["low"] for k, v in declared.items() if isinstance(v, dict)}
    firsts = {k: v[0] for k, v in declared.items() if isinstance(v, list | tuple)}
    return fixed(declared) | firsts | ends


def draw(trial: Any, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the declared parameters, those with a choice drawn from ``trial``."""
    found = fixed(declared)
    for name, choice in declared.items():
        if isinstance(choice, list | tuple):
            found[name] = trial.suggest_categorical(name, list(choice))
        elif isinstance(choice, dict):
            whole = all(isinstance(choice[end], int) for end in ("low", "high"))
            suggest = trial.suggest_int if whole else trial.suggest_float
            found[name] = suggest(name, **choice)
    return found


def check_declared(candidate: str, declared: Mapping[str, Any]) -> None:
    """Refuse a range that holds nothing, a step that cannot be, a key that nobody knows.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    for name, choice in declared.items():
        where = f"train.space.{candidate}.{name}"
        if isinstance(choice, list | tuple) and not choice:
            raise invalid(where, [], "at least one value to choose from")
        if isinstance(choice, dict):
            _check_range(where, choice)


def _check_range(where: str, choice: dict[str, Any]) -> None:
    unknown = sorted(set(choice) - RANGE)
    if unknown or not {"low", "high"} <= set(choice):
        expected = "a table with low and high, and log or step if you like"
        raise invalid(where, unknown or sorted(choice), expected)
    low, high, step = choice["low"], choice["high"], choice.get("step")
    for end in (low, high):
        if not _number(end) or not math.isfinite(end):
            raise invalid(where, end, "numbers as low and high")
    if not isinstance(choice.get("log", False), bool):
        raise invalid(where, choice["log"], "true or false for log")
    whole = all(isinstance(end, int) for end in (low, high))
    if step is not None and (not _number(step) or (whole and not isinstance(step, int))):
        raise invalid(where, step, f"a {'whole ' * whole}number as step")
    if low > high:
        raise invalid(where, f"low {low} above high {high}", "low at most high")
    if choice.get("log") and low <= 0:
        raise invalid(where, f"log from {low}", "a low above 0 for a logarithmic range")
    if step is not None and (
        choice.get("log") or not 0 < step <= max(high - low, step * (low == high))
    ):
        raise invalid(where, step, "a step above 0 within the range, and no log beside it")
