"""All that is said of a window's answers beside the one score: with labels, and before they come.

The loop hands over what it takes as values: the metrics of the test stage with what they were then,
the champion's held-out rows, and what its gates say of labelled rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.monitor.dependence import rows_per_draw
from everloop.monitor.estimation._base import Belief, Rows
from everloop.monitor.estimation.heldout import Floats, HeldOut
from everloop.monitor.gauges import Gauge, measured
from everloop.monitor.segments import Losses, Segments, loss_name, losses, worst_segments

Promises = Callable[[pl.DataFrame, NDArray[Any], NDArray[Any], Floats | None], dict[str, Any]]
"""What gates and groups say of labelled rows: ``promises(frame, y, pred, proba)``."""

BINS = 10
DRAWS = 5


@dataclass(frozen=True)
class Judging:
    """What it takes to judge any window of a champion.

    Attributes
    ----------
    gauges : every metric that fits the task.
    held : the champion's held-out rows; None where they were not kept.
    costs : of each answer, true classes by answered ones. currency : of the costs.
    promises : the gates that can be asked again, and the groups that fairness is looked at by.
    version : the champion's number, None where nobody says. versions : of the same model, whose
        answers are not the champion's.
    """

    gauges: tuple[Gauge, ...] = ()
    held: HeldOut | None = None
    costs: Floats | None = None
    currency: str = ""
    promises: Promises | None = None
    version: int | None = None
    versions: frozenset[int] = frozenset()

    def gauge(self, name: str) -> Gauge | None:
        """The metric called ``name``."""
        return next((gauge for gauge in self.gauges if gauge.name == name), None)

    def labelled(
        self,
        frame: pl.DataFrame,
        y: NDArray[Any],
        pred: NDArray[Any],
        proba: Floats | None,
        schema: Schema,
    ) -> dict[str, Any]:
        """What a window's ``performance`` says once labels are there."""
        out: dict[str, Any] = {"metrics": measured(self.gauges, y, pred, proba)}
        if proba is not None and schema.task in ("binary", "multiclass"):
            out["reliability"] = reliability(y, proba)
        if self.costs is not None and y.dtype.kind == "i":
            each = losses(y, pred, self.costs)
            out["cost"] = {
                "each": float(each.mean()), "total": float(each.sum()), "currency": self.currency
            }  # fmt: skip
        if self.promises is not None:
            out |= self.promises(frame, y, pred, proba)
        if self.held is not None:
            each = losses(y, pred, self.costs)
            codes = self.held.encode(frame, schema)
            found = self._segments(codes, Losses(each, each**2), schema.numeric, clustered(each))
            out["segments"] = msgspec.to_builtins(found)
        return out

    def believed(self, belief: Belief, rows: Rows, numeric: bool) -> Segments:
        """The segments that are expected to be worst."""
        assert self.held is not None
        offsets = (np.arange(DRAWS) + 0.5) / DRAWS
        each = [losses(belief.even(u), rows.pred, self.costs) for u in offsets]
        found = Losses(np.mean(each, axis=0), np.mean(np.square(each), axis=0))
        held = losses(self.held.y, self.held.pred, self.costs)
        return self._segments(rows.codes, found, numeric, clustered(held))

    def _segments(
        self, codes: NDArray[np.uint8], found: Losses, numeric: bool, clusters: float
    ) -> Segments:
        assert self.held is not None
        tested = losses(self.held.y, self.held.pred, self.costs)
        name = loss_name(numeric, self.costs)
        return worst_segments(self.held, codes, found, tested, name, clusters)


def clustered(each: Floats) -> float:
    """How many rows are worth one, since losses come together in time."""
    if not len(each):
        return 1.0
    return rows_per_draw((each > np.median(each)).astype(np.int64), 2)


def reliability(y: NDArray[Any], proba: Floats) -> list[dict[str, Any]]:
    """Of each tenth of the probabilities: their mean, how often it happened, and of how many rows.

    With two classes the probability is the second one's, with more the answered one's.
    """
    two = proba.shape[1] == 2
    p = proba[:, 1] if two else proba.max(axis=1)
    happened = (y == 1) if two else (y == proba.argmax(axis=1))
    bins = np.clip((p * BINS).astype(np.int64), 0, BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    said, was = (np.bincount(bins, v, minlength=BINS) for v in (p, happened.astype(float)))
    return [
        {"said": float(said[b] / rows[b]), "was": float(was[b] / rows[b]), "rows": int(rows[b])}
        for b in range(BINS)
        if rows[b]
    ]
