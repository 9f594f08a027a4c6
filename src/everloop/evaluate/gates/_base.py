"""What a gate is.

A gate is one sentence of the loop file that a new version must satisfy. To add one, write a class
in a file of its own and register it::

    @gates.register("size")
    class Size(Gate):
        form = "size_mb <= NUMBER"
        words = ("size_mb",)

Obligations. ``parse`` answers None for a sentence of another kind and raises for one of its own
kind that is wrong. ``check_task`` and ``check_schema`` refuse what can never be judged for a task
or with such columns, before anything trains. ``check`` never
raises for a model that is bad: it answers one of three verdicts with the numbers behind it.

``pass``                 the bound is met.
``fail``                 it is not.
``not_enough_evidence``  these rows cannot tell: too few, or the interval spans the bound.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
import numpy as np

from everloop.data.schema import Schema, Task
from everloop.errors import did_you_mean, invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import Metric, metric_names

if TYPE_CHECKING:
    import polars as pl

Verdict = Literal["pass", "fail", "not_enough_evidence"]

FIELD = "evaluate.gates"
MIN_ROWS = 30  # of a holdout, or of a group, below which nothing is judged
MIN_OF_A_CLASS = 5  # of two classes
NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


@dataclass(frozen=True)
class Evidence:
    """What gates look at.

    Attributes
    ----------
    schema : of the challenger.
    frame : the holdout's rows, also with columns that are no features.
    y : their n targets, codes (int64) or floats.
    challenger, champion : answers on exactly these rows; champion is None when there is none.
    latency : measures the packaged model and returns the 99th percentile in milliseconds;
        None when it could not be measured.
    ask : the challenger's answers to other rows of the same columns; None when it cannot be asked.
    size : bytes of the packaged model.
    leaks : level (leak or suspect) and sentence of what leaks into training; None when nobody
        looked.
    costs : of each answer, true classes by answered ones. groups : codes of rows ranked together.
    seed : of resampling. unit : what the rows are, in words.
    unopposed : what is said where there is no champion to be compared with.
    """

    schema: Schema
    frame: pl.DataFrame
    y: np.ndarray
    challenger: Answers
    champion: Answers | None = None
    latency: Callable[[], float | None] | None = None
    ask: Callable[[pl.DataFrame], Answers] | None = None
    size: int | None = None
    leaks: Callable[[], list[tuple[str, str]]] | None = None
    costs: np.ndarray | None = None
    groups: np.ndarray | None = None
    seed: int = 0
    unit: str = "rows"
    unopposed: str = "There is no champion yet."

    @property
    def labelled(self) -> Evidence:
        """The rows whose label is known, of anomalies; of other tasks all are."""
        if self.schema.task != "anomaly" or not np.any(self.y < 0):
            return self
        return replace(self.on(self.y >= 0), unit="labelled rows")

    def on(self, rows: np.ndarray) -> Evidence:
        """The same evidence on some of its rows, n booleans."""
        champion = self.champion
        return replace(
            self,
            frame=self.frame.filter(rows),
            y=self.y[rows],
            challenger=self.challenger.on(rows),
            champion=None if champion is None else champion.on(rows),
            groups=None if self.groups is None else self.groups[rows],
        )

    @property
    def of_champion(self) -> Evidence:
        """The champion's answers in the challenger's place."""
        assert self.champion is not None
        return replace(self, challenger=self.champion, champion=None)

    def bound(self, metric: Metric) -> Metric:
        """``metric`` with these costs and groups."""
        if self.costs is not None:
            metric = metric.with_costs(self.costs)
        return metric if self.groups is None else metric.grouped(self.groups)


class GateResult(msgspec.Struct, frozen=True):
    """A verdict with its numbers; ``low`` and ``high`` are the value's 95 % interval.

    ``p_value`` is that of the claim a comparison makes, adjusted for the other comparisons beside
    it; ``word`` is what the loop file says is done about the verdict: refuse, ask or pass.
    """

    gate: str
    verdict: Verdict
    value: float | None
    bound: float | None
    detail: str
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    word: str = ""
    test: str = ""  # what the comparison was made by

    @property
    def compares(self) -> bool:
        """Whether the gate holds the challenger against the champion."""
        return _compares(self.gate)


class Gate(ABC):
    """One sentence of ``evaluate.gates``.

    Attributes
    ----------
    text : the sentence.
    form : how such a sentence is written. words : names that it starts with, for suggestions.
    """

    word: str = ""  # what is done when it is not met, when the sentence says so
    form: ClassVar[str] = ""
    words: ClassVar[tuple[str, ...]] = ()

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Gate | None:
        """The gate that ``text`` states; None when it is of another kind.

        Raises :class:`~everloop.errors.InvalidInput` when it is of this kind and wrong.
        """

    @abstractmethod
    def check(self, evidence: Evidence) -> GateResult:
        """The verdict on a challenger."""

    def check_task(self, task: Task) -> None:
        """Refuse a task that this gate cannot judge, by raising InvalidInput."""
        return

    def check_schema(self, schema: Schema) -> None:
        """Refuse a column that this gate cannot change, by raising InvalidInput."""
        return

    @property
    def compares(self) -> bool:
        """Whether it holds the challenger against the champion."""
        return _compares(self.text)

    @property
    def needs_labels(self) -> bool:
        """Whether only rows with a label can tell."""
        metric: Metric | None = getattr(self, "metric", None)
        return metric is not None and metric.needs_labels

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that it reads."""
        return ()

    def result(
        self,
        verdict: Verdict,
        detail: str,
        *,
        value: float | None = None,
        bound: float | None = None,
        low: float | None = None,
        high: float | None = None,
        p_value: float | None = None,
        test: str = "",
    ) -> GateResult:
        """A result of this gate; numbers that are not finite are left out."""
        value, low, high = (
            v if v is not None and math.isfinite(v) else None for v in (value, low, high)
        )
        return GateResult(self.text, verdict, value, bound, detail, low, high, p_value, test=test)


def _compares(sentence: str) -> bool:
    between = " champion by " in sentence or " with champion " in sentence
    return between or sentence.endswith("champion")


def bounded(value: float, low: float, high: float, sign: str, bound: float) -> Verdict:
    """Whether ``value`` meets ``sign bound``.

    The value itself decides for a pass. It fails only when its whole interval is on the wrong
    side; in between, these rows cannot tell.
    """
    if meets(value, sign, bound):
        return "pass"
    hopeful = high if sign.startswith(">") else low
    return "not_enough_evidence" if meets(hopeful, sign, bound) else "fail"


def meets(value: float, sign: str, bound: float) -> bool:
    """Whether ``value sign bound`` holds; NaN meets nothing."""
    holds = {">=": value >= bound, ">": value > bound, "<=": value <= bound, "<": value < bound}
    return holds[sign]


def too_little(metric: Metric, evidence: Evidence) -> str | None:
    """Why the holdout cannot judge by ``metric``; None when it can."""
    y = evidence.y
    if len(y) < MIN_ROWS:
        return f"the holdout has {len(y)} {evidence.unit}; {MIN_ROWS} are needed"
    if evidence.schema.task == "binary":
        counts = np.bincount(y, minlength=2)
        if counts.min() < MIN_OF_A_CLASS:
            rare = evidence.schema.classes[int(counts.argmin())]
            return (
                f"the holdout has {int(counts.min())} rows of class {rare!r}; "
                f"{MIN_OF_A_CLASS} are needed"
            )
    if why := metric.undefined(y):
        return why
    return metric.unsupported(y, evidence.challenger) or (
        metric.unsupported(y, evidence.champion) if evidence.champion is not None else None
    )


def check_metric_task(metric: Metric, task: Task, field: str) -> None:
    """Refuse a metric that does not fit ``task``."""
    if task not in metric.tasks:
        raise invalid(
            field,
            metric.name,
            f"a metric for {task}: " + ", ".join(metric_names(task)),
            code="wrong_task",
        )


def unknown_metric(name: str, text: str, others: tuple[str, ...]) -> Exception:
    """The refusal of a sentence that starts with a word nobody knows."""
    guess = did_you_mean(name, [*metric_names(), *others])
    return invalid(
        FIELD,
        text,
        f"a gate on one of {', '.join(metric_names())}",
        code="unknown_name",
        fix=f"{name} is not known. {guess}" if guess else None,
    )


def matched(pattern: str, text: str) -> re.Match[str] | None:
    """``text`` as a whole against ``pattern``, with any run of blanks where it has a space."""
    return re.fullmatch(pattern.replace(" ", r"\s+"), text.strip())


def shown(value: float) -> str:
    """A number for a sentence."""
    return f"{value + 0.0:.4g}"  # never -0
