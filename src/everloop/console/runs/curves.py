"""Curves of a metric over runs: what ``loop-curves`` reads, and the picture without it."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from everloop.console.drawing.charts import line_chart
from everloop.errors import NotFound, invalid
from everloop.loop.project import Project
from everloop.tracking.curves import Curve, Span
from everloop.tracking.records import Head
from everloop.tracking.stretches import Axis

MOST_RUNS = 50
"""Runs that are compared at a time."""

DRAWN = 4
"""Lines of the picture; they are told apart by colour and dashes."""

MOST_POINTS, FEW = 1000, 200
ALL_POINTS = 4000
"""Points of a chart unless more are asked for: of one curve, and of all of them."""


class View(msgspec.Struct, frozen=True):
    """How curves are looked at: the axis and its part, smoothing (0 to 0.99), a logarithm.

    ``low`` and ``high`` are steps, or milliseconds since 1970, or since each run's first value.
    """

    x: Axis = "step"
    low: int | None = None
    high: int | None = None
    smooth: float = 0.0
    log: bool = False

    @property
    def query(self) -> list[tuple[str, str]]:
        """It as parts of an address; what is usual is left out."""
        parts: dict[str, object] = {
            "x": None if self.x == "step" else self.x,
            "from": self.low,
            "to": self.high,
            "smooth": self.smooth or None,
            "log": 1 if self.log else None,
        }
        return [(name, str(value)) for name, value in parts.items() if value is not None]


class RunCurve(Curve, frozen=True):
    """A run's curve, and what the run is called."""

    run: str = ""
    name: str = ""


class Curves(msgspec.Struct, frozen=True):
    """A metric of several runs, in the order they were asked for."""

    key: str
    x: str
    curves: list[RunCurve]


def chosen_runs(text: str) -> list[str]:
    """The runs of a list with commas; raises InvalidInput for none and for too many."""
    runs = list(dict.fromkeys(run for run in (part.strip() for part in text.split(",")) if run))
    if not runs:
        raise invalid("query.runs", text, "ids of runs with commas between")
    if len(runs) > MOST_RUNS:
        raise invalid("query.runs", f"{len(runs)} runs", f"at most {MOST_RUNS}")
    return runs


def read_curves(
    project: Project, runs: list[str], key: str, view: View, most: int | None = None
) -> Curves:
    """Raises :class:`~everloop.errors.NotFound` for an id that no run has."""
    heads = project.runs.heads(runs)
    for run in runs:
        if run not in heads:
            raise NotFound(f"There is no run {run!r}.", code="run_not_found", got=run)
    if most is None:
        most = max(FEW, min(MOST_POINTS, ALL_POINTS // len(runs)))
    found = project.runs.curves(runs, key, Span(view.x, view.low, view.high), most)
    named = ((found[run], heads[run]) for run in runs)
    return Curves(key, view.x, [_named(curve, head) for curve, head in named])


def _named(curve: Curve, head: Head) -> RunCurve:
    c = curve
    return RunCurve(c.step, c.at, c.value, c.points, c.begun, run=head.id, name=head.name)


def draw(found: Curves, view: View) -> str:
    """Up to four curves as an SVG of its own."""
    series: dict[str, list[tuple[float, float | None]]] = {}
    for curve in found.curves:
        xs = _across(curve, view.x)
        ys = [_scaled(y, view.log) for y in smoothed(curve.value, view.smooth)]
        name = curve.name if curve.name not in series else f"{curve.name} {curve.run[:6]}"
        series[name] = [(x, y) for x, y in zip(xs, ys, strict=True)]
    title = f"log10 of {found.key}" if view.log else found.key
    labels = {"step": "step", "time": "", "relative": "seconds since the first value"}
    x_kind: Literal["time", "number"] = "time" if view.x == "time" else "number"
    return line_chart(series, title, labels[view.x], x_kind=x_kind)


def _across(curve: RunCurve, axis: str) -> list[float]:
    if axis == "relative":
        return [(at - curve.begun) / 1000 for at in curve.at]
    return [float(x) for x in (curve.step if axis == "step" else curve.at)]


def smoothed(values: list[float | None], weight: float) -> list[float | None]:
    """An exponential moving average whose start is not drawn towards 0 (Kingma and Ba, 2015)."""
    if not weight:
        return values
    mean, rest = 0.0, 1.0
    out: list[float | None] = []
    for value in values:
        if value is None:
            out.append(None)
            continue
        mean, rest = weight * mean + (1 - weight) * value, rest * weight
        out.append(mean / (1 - rest))
    return out


def _scaled(value: float | None, log: bool) -> float | None:
    if value is None or not log:
        return value
    return math.log10(value) if value > 0 else None
