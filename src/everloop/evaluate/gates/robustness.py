"""``METRIC drops by at most NUMBER under noise``: small faults of the data do small harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import polars as pl

from everloop.data.schema import Schema, Task
from everloop.errors import invalid
from everloop.evaluate.compare import LEVEL, Comparison, compare
from everloop.evaluate.gates._altered import feature_of, noisy, swapped, thinned, without
from everloop.evaluate.gates._base import (
    FIELD,
    NUMBER,
    Evidence,
    Gate,
    GateResult,
    bounded,
    check_metric_task,
    matched,
    shown,
    too_little,
)
from everloop.evaluate.gates._champion import metric_in
from everloop.evaluate.metrics import Metric
from everloop.extensions import gates

FORMS = r"under noise|without (.+)|with (.+) swapped"
SWAPPABLE = ("category", "boolean")


@gates.register("robustness")
class Robustness(Gate):
    """How much the metric drops on the same rows with a fault: paired, with its interval.

    ``under noise`` adds a tenth of its standard deviation to each number, ``without COLUMN`` leaves
    the column out, ``with COLUMN swapped`` puts another value in its place; ``any column`` takes
    the one that does most harm. The worst of many looks bad by chance alone, so each of their
    intervals is wrong with a chance of 5 % divided by how many there are (Bonferroni, 1936).
    """

    form = "METRIC drops by at most NUMBER under noise"

    def __init__(self, text: str, metric: Metric, bound: float, how: str, name: str) -> None:
        super().__init__(text)
        self.metric, self.bound, self.how, self.name = metric, bound, how, name

    @classmethod
    def parse(cls, text: str) -> Gate | None:
        match = matched(rf"(\w+) drops by at most {NUMBER} ({FORMS})", text)
        if match is None:
            return None
        if float(match[2]) < 0:
            raise invalid(FIELD, text, "a drop of 0 or more")
        how = "noise" if match[4] is None and match[5] is None else "without"
        how = "swapped" if match[5] is not None else how
        name = (match[4] or match[5] or "").strip("\"'")
        return cls(text, metric_in(match[1], text), float(match[2]), how, name)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.name,) if self.name and self.name != "any column" else ()

    def check_task(self, task: Task) -> None:
        check_metric_task(self.metric, task, FIELD)

    def check_schema(self, schema: Schema) -> None:
        if self.columns:
            feature_of(self, schema, self.name, SWAPPABLE if self.how == "swapped" else ())

    def check(self, evidence: Evidence) -> GateResult:
        reason = too_little(self.metric, evidence)
        if reason or evidence.ask is None:
            detail = f"{reason or 'the model cannot be asked again'}."
            return self.result("not_enough_evidence", detail, bound=self.bound)
        own = thinned(evidence)
        metric = own.bound(self.metric)
        done = list(self._done(own.schema))
        if not done:
            return self.result("not_enough_evidence", "No column can be changed.")
        found: list[tuple[str, Comparison]] = []
        for told, altered in done:
            answers = evidence.ask(altered(own))
            level = LEVEL / len(done)
            one = compare(metric, own.y, answers, own.challenger, own.seed, level=level)
            found.append((told, one))
        told, worst = min(found, key=lambda pair: (-pair[1].high <= self.bound, pair[1].difference))
        value, low, high = -worst.difference, -worst.high, -worst.low
        together = f" of all {len(done)} columns together," if len(done) > 1 else ""
        detail = (
            f"{metric.name} drops by {shown(value)} (95 %{together} {shown(low)} to "
            f"{shown(high)}, {worst.n} rows) {told}, wanted at most {shown(self.bound)}."
        )
        verdict = bounded(value, low, high, "<=", self.bound)
        return self.result(verdict, detail, value=value, bound=self.bound, low=low, high=high)

    def _done(self, schema: Schema) -> Iterator[tuple[str, Callable[[Evidence], pl.DataFrame]]]:
        """What is done, in words, and what does it to rows."""
        if self.how == "noise":
            yield "under noise", noisy
            return
        alter: Callable[..., pl.DataFrame]
        alter, words, kinds = (
            (swapped, "with {} swapped", SWAPPABLE)
            if self.how == "swapped"
            else (without, "without {}", ())
        )
        if self.name != "any column":
            self.check_schema(schema)
            yield words.format(self.name), partial(alter, name=self.name)
            return
        for feature in schema.features:
            if not kinds or feature.kind in kinds:
                yield words.format(feature.name), partial(alter, name=feature.name)
