"""``answers change <= NUMBER when COLUMN is swapped``: what a model must not depend on, and how."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from everloop.data.schema import NUMERIC, Schema, Task
from everloop.errors import invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.gates._altered import feature_of, raised, swapped, thinned
from everloop.evaluate.gates._base import (
    FIELD,
    MIN_ROWS,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    bounded,
    matched,
    shown,
)
from everloop.extensions import gates

Z = 1.959964  # of a 95 % interval
SAME = 1e-6  # of the answers' own spread: less is no change


class Behaviour(Gate):
    """A share of the rows whose answer does what it should not when a column is changed.

    Such tests need no labels (the invariance and directional tests of Ribeiro et al., 2020). The
    interval is Wilson's (1927).
    """

    def __init__(self, text: str, wrong: str, bound: float, column: str) -> None:
        super().__init__(text)
        self.wrong, self.bound, self.column = wrong, bound, column

    kinds: ClassVar[tuple[str, ...]] = ()  # of columns that can be changed so

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def check_schema(self, schema: Schema) -> None:
        feature_of(self, schema, self.column, self.kinds)

    def judged(self, evidence: Evidence, done: str, wrong: np.ndarray) -> GateResult:
        """The verdict on the share of ``wrong``, n booleans."""
        n = len(wrong)
        if n < MIN_ROWS:
            detail = f"The holdout has {n} rows; {MIN_ROWS} are needed."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        value = float(wrong.mean())
        low, high = _wilson(value, n)
        detail = (
            f"{value:.1%} of the answers {self.wrong} (95 % {low:.1%} to {high:.1%}, {n} rows) "
            f"when {self.column} {done}, wanted at most {shown(self.bound)}."
        )
        verdict = bounded(value, low, high, "<=", self.bound)
        return self.result(verdict, detail, value=value, bound=self.bound, low=low, high=high)

    def unasked(self) -> GateResult:
        return self.result("not_enough_evidence", "The model cannot be asked again.")


@gates.register("invariance")
class Invariance(Behaviour):
    """The share of answers that change when a column gets another of its values."""

    form = "answers change <= NUMBER when COLUMN is swapped"
    kinds = ("category", "boolean")
    words = ("answers",)

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"answers change <= {NUMBER} when (.+) is swapped", text)
        if match is None:
            return None
        return cls(text, "change", _share(match[1], text), match[2].strip("\"'"))

    def check(self, evidence: Evidence) -> GateResult:
        if evidence.ask is None:
            return self.unasked()
        own = thinned(evidence)
        self.check_schema(own.schema)
        before, after = own.challenger, evidence.ask(swapped(own, self.column))
        if own.schema.task in NUMERIC:
            changed = np.abs(after.pred - before.pred) > 0.01 * np.std(before.pred)
        else:
            changed = after.pred != before.pred
        if changed.ndim > 1:
            changed = changed.any(axis=1)
        return self.judged(own, "is swapped", changed)


@gates.register("direction")
class Direction(Behaviour):
    """The share of answers that go the wrong way when a number rises by a standard deviation.

    Of two classes the answer is the probability of the second one.
    """

    form = "answers fall <= NUMBER when COLUMN rises"
    kinds = ("number",)
    words = ("answers",)

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"answers (fall|rise) <= {NUMBER} when (.+) rises", text)
        if match is None:
            return None
        return cls(text, match[1], _share(match[2], text), match[3].strip("\"'"))

    def check_task(self, task: Task) -> None:
        if task != "binary" and task not in NUMERIC:
            raise invalid(FIELD, self.text, f"a gate for {task}", code="wrong_task")

    def check(self, evidence: Evidence) -> GateResult:
        if evidence.ask is None:
            return self.unasked()
        own = thinned(evidence)
        self.check_schema(own.schema)
        before, after = (
            _height(a) for a in (own.challenger, evidence.ask(raised(own, self.column)))
        )
        moved = after - before
        least = SAME * max(float(np.std(before)), 1e-12)
        wrong = moved < -least if self.wrong == "fall" else moved > least
        return self.judged(own, "rises", wrong)


def _height(answers: Answers) -> np.ndarray:
    return answers.pred if answers.proba is None else answers.proba[:, 1]


def _share(number: str, text: str) -> float:
    if not 0 <= float(number) <= 1:
        raise invalid(FIELD, text, "a share from 0 to 1")
    return float(number)


def _wilson(share: float, n: int) -> tuple[float, float]:
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)
