"""Looking at a space before a study begins: which parameters it has, and whether it can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from everloop.errors import invalid


class Probe:
    """Stands for a trial, notes what is asked of it, and answers with the lowest value."""

    def __init__(self, candidate: str) -> None:
        self.candidate = candidate
        self.space: dict[str, BaseDistribution] = {}
        self.number = 0

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self._note(name, (low, high), lambda: FloatDistribution(low, high, log=log, step=step))
        return low

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        self._note(name, (low, high), lambda: IntDistribution(low, high, log=log, step=step))
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self._note(name, choices, lambda: CategoricalDistribution(choices))
        return choices[0]

    def _note(self, name: str, got: Any, make: Callable[[], BaseDistribution]) -> None:
        try:
            distribution = make()
        except (ValueError, TypeError) as error:
            raise self._refused(name, got, str(error).rstrip(".")) from None
        before = self.space.setdefault(name, distribution)
        if before != distribution:
            raise self._refused(name, got, f"the same range each time, as {before} before")

    def _refused(self, name: str, got: Any, why: str) -> Exception:
        return invalid(
            f"train.space.{self.candidate}.{name}",
            str(got),
            "a range that is not empty",
            code="bad_space",
            fix=f"{why[:1].upper()}{why[1:]}.",
        )
