"""Up to 50 runs side by side: their curves, where their params differ, and their metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from everloop.console.runs.curves import View
from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.tracking.records import Head, Run

CHARTS = 4
"""Metrics that are drawn unless others were chosen."""

MOST_CHARTS = 20
SYSTEM = "system/"
"""What names of metrics of the machine begin with."""

# Parts of names of what should be small; anything else is better when it is greater.
SMALLER = (
    "loss", "error", "mae", "mse", "rmse", "mape", "brier", "pinball", "perplexity", "seconds",
    "latency", "_ms", "duration", "cost", "deviance", "divergence",
)  # fmt: skip


class AskedOf(msgspec.Struct, frozen=True):
    """What a comparison was asked to show.

    ``every`` shows params that are the same in all runs too; ``across``, ``up`` and ``colour`` are
    the columns of the scatter.
    """

    runs: list[str]
    metrics: list[str]
    view: View
    every: bool = False
    across: str = ""
    up: str = ""
    colour: str = ""

    @property
    def query(self) -> list[tuple[str, str]]:
        """It as parts of an address, so that it can be sent to a colleague."""
        parts = [("runs", ",".join(self.runs)), *(("metric", key) for key in self.metrics)]
        parts += [*self.view.query, ("every", "1" if self.every else "")]
        parts += [("across", self.across), ("up", self.up), ("colour", self.colour)]
        return [(name, value) for name, value in parts if value]


class Line(msgspec.Struct, frozen=True):
    """A metric or a param of each run, in the runs' order; None where a run has none.

    ``best`` are the places of the best values of a metric, ``lower`` says that they are the least.
    """

    key: str
    values: list[Any]
    differs: bool
    best: list[int] = []
    lower: bool = False


class Column(msgspec.Struct, frozen=True):
    """A column of the parallel coordinates and the scatter: numbers, or texts where some are."""

    name: str
    kind: str
    values: list[Any]


class ComparePage(msgspec.Struct, frozen=True):
    """A comparison's page, and the JSON beside it.

    ``drawn`` are the metrics whose curves are shown, ``stepped`` those that have any;
    ``hidden`` counts the params that are the same in all runs.
    """

    at: int
    asked: AskedOf
    runs: list[Head]
    stepped: list[str]
    drawn: list[str]
    metrics: list[Line]
    params: list[Line]
    hidden: int
    columns: list[Column]


def read_comparison(project: Project, asked: AskedOf) -> ComparePage:
    """Raises :class:`~everloop.errors.NotFound` for an id that no run has."""
    found = project.runs.get_many(asked.runs)
    for run in asked.runs:
        if run not in found:
            raise NotFound(f"There is no run {run!r}.", code="run_not_found", got=run)
    runs = [found[run] for run in asked.runs]
    stepped = sorted({key for run in runs for key, point in run.metrics.items() if point.step})
    params = param_lines(runs)
    shown = params if asked.every else [line for line in params if line.differs]
    metrics = metric_lines(runs)
    columns = columns_of(params, metrics)
    return ComparePage(
        at=now_ms(),
        asked=_with_axes(asked, columns),
        runs=[Head(run.id, run.name, run.status, run.started) for run in runs],
        stepped=stepped,
        drawn=(asked.metrics or _first(stepped))[:MOST_CHARTS],
        metrics=metrics,
        params=shown,
        hidden=len(params) - len(shown),
        columns=columns,
    )


def nothing_chosen(asked: AskedOf) -> ComparePage:
    """The page that says how runs are chosen."""
    return ComparePage(now_ms(), asked, [], [], [], [], [], 0, [])


def param_lines(runs: Sequence[Run]) -> list[Line]:
    """Each param of any run, by name."""
    lines = []
    for key in sorted({key for run in runs for key in run.params}):
        values = [run.params.get(key) for run in runs]
        lines.append(Line(key, values, len(set(values)) > 1))
    return lines


def metric_lines(runs: Sequence[Run]) -> list[Line]:
    """The newest value of each metric of any run, by name, the best ones marked."""
    lines = []
    for key in sorted({key for run in runs for key in run.metrics}):
        points = [run.metrics.get(key) for run in runs]
        values = [None if p is None or math.isnan(p.value) else p.value for p in points]
        known = [value for value in values if value is not None]
        lower = lower_is_better(key)
        differs = len(set(values)) > 1
        top = (min if lower else max)(known) if len(known) > 1 and differs else None
        best = [i for i, v in enumerate(values) if v is not None and v == top]
        lines.append(Line(key, values, differs, best, lower))
    return lines


def lower_is_better(key: str) -> bool:
    """Whether the least of a metric is best, as far as its name tells."""
    return any(part in key.lower() for part in SMALLER)


def columns_of(params: Sequence[Line], metrics: Sequence[Line]) -> list[Column]:
    """What tells the runs apart, as axes: params first."""
    own = [line for line in metrics if not line.key.startswith(SYSTEM)]
    columns = [Column(f"params.{p.key}", "param", _numbers(p.values)) for p in params if p.differs]
    return columns + [Column(f"metrics.{m.key}", "metric", m.values) for m in own if m.differs]


def _numbers(values: list[Any]) -> list[Any]:
    """Numbers where all that is known is one."""
    try:
        numbers = [None if value is None else float(value) for value in values]
    except ValueError:
        return values
    return numbers if all(n is None or math.isfinite(n) for n in numbers) else values


def _first(stepped: list[str]) -> list[str]:
    """System metrics are many, and rarely what runs are compared by."""
    own = [key for key in stepped if not key.startswith(SYSTEM)]
    return (own or stepped)[:CHARTS]


def _with_axes(asked: AskedOf, columns: list[Column]) -> AskedOf:
    """A param across and a metric up, unless others were chosen."""
    names = [column.name for column in columns]
    params = [column.name for column in columns if column.kind == "param"]
    metrics = [column.name for column in columns if column.kind == "metric"]

    def known(name: str, otherwise: list[str]) -> str:
        return name if name in names else next(iter(otherwise or names), "")

    return msgspec.structs.replace(
        asked,
        across=known(asked.across, params),
        up=known(asked.up, metrics),
        colour=asked.colour if asked.colour in names else "",
    )
