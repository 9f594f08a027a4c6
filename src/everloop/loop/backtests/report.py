"""The report of a backtest as one page: no script, nothing beside it."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markupsafe import Markup

from everloop.evaluate.report._base import Chart, Curve
from everloop.evaluate.report.drawing import chart
from everloop.loop.backtests.policies import differs
from everloop.loop.backtests.records import Backtested, Outcome, Policy
from everloop.page import page_style

if TYPE_CHECKING:
    import jinja2

SPARKS = "▁▂▃▄▅▆▇█"
DAY = 86_400_000


def to_html(found: Backtested) -> str:
    """The page: figures, a chart for each policy, what happened when."""
    return _template().render(
        b=found,
        style=Markup(page_style()),
        day=day,
        delay=f"{found.delay / DAY:g} days",
        charts={one.name: Markup(chart(_chart(found, one))) for one in found.policies},
        section=section(found.named(found.choice)),
    )


def section(outcome: Outcome) -> str:
    """The policy as the loop file has it."""
    return differs(Policy(outcome.name, outcome.update))


def envelope(found: Backtested) -> list[float | None]:
    """The best score of any policy in each window."""
    best = max if found.greater_is_better else min
    columns = zip(*(one.scores for one in found.policies), strict=True)
    known = [[v for v in column if v is not None] for column in columns]
    return [best(values) if values else None for values in known]


def sparks(scores: Sequence[float | None], low: float, high: float) -> str:
    """One character a window, from ``low`` to ``high``; a blank where there is no score."""
    span = (high - low) or 1.0
    steps = len(SPARKS) - 1
    return "".join(" " if v is None else SPARKS[round((v - low) / span * steps)] for v in scores)


def extent(found: Backtested) -> tuple[float, float]:
    """The least and the greatest score of all windows."""
    known = [v for one in found.policies for v in one.scores if v is not None]
    return (min(known), max(known)) if known else (math.nan, math.nan)


def day(ms: int) -> str:
    """A time as a date."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def _chart(found: Backtested, outcome: Outcome) -> Chart:
    """Its score over time, and the best of all policies in each window behind it."""
    lines = {outcome.name: outcome.scores, "best of all": envelope(found)}
    curves = [
        Curve(name, [(i + 1.0, v) for i, v in enumerate(values) if v is not None])
        for name, values in lines.items()
    ]
    return Chart(outcome.name, "window", found.metric, curves, plain=True)


@functools.cache
def _template() -> jinja2.Template:
    engine = importlib.import_module("jinja2")  # few processes draw a page
    environment: jinja2.Environment = engine.Environment(
        loader=engine.PackageLoader("everloop.loop.backtests", "templates"),
        autoescape=True,
        trim_blocks=True,
        undefined=engine.StrictUndefined,
    )
    return environment.get_template("backtest.html")
