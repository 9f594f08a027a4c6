"""The list of backtests; the page of one shows the record itself."""

from __future__ import annotations

import msgspec
from markupsafe import Markup

from everloop.console.drawing.charts import line_chart
from everloop.loop.backtests.places import backtests
from everloop.loop.backtests.records import Backtested, Listed, Outcome
from everloop.loop.backtests.report import envelope, section
from everloop.loop.project import Project
from everloop.store.clock import now_ms

SIZE = (720, 220)


class BacktestsPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/backtests.json``; the newest first."""

    at: int
    backtests: list[Listed]


def read_backtests(project: Project) -> BacktestsPage:
    """Those that were cut off, too."""
    return BacktestsPage(now_ms(), backtests(project))


def backtest_chart(found: Backtested, outcome: Outcome) -> Markup:
    """A policy's score over time, beside the best of all policies in each window."""
    starts = [float(span.start) for span in found.windows]
    lines = {outcome.name: outcome.scores, "best of all": envelope(found)}
    series = {name: list(zip(starts, values, strict=True)) for name, values in lines.items()}
    marks = [(starts[n], "promoted") for n, verdict, _ in outcome.events if verdict == "promoted"]
    drawn = line_chart(
        series, outcome.name, "", found.metric, marks, x_kind="time", standalone=False, size=SIZE
    )
    return Markup(drawn)


def policy_section(found: Backtested) -> str:
    """The policy that was chosen as the loop file has it."""
    return section(found.named(found.choice))
