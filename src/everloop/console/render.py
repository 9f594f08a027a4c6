"""Templates to text. Everything is escaped unless it is markup that this package made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from everloop.console import words
from everloop.console.assets import URLS
from everloop.console.drawing.bars import histogram
from everloop.console.drawing.charts import line_chart
from everloop.console.drawing.circle import circle
from everloop.console.drawing.dots import dot_chart
from everloop.console.drawing.intervals import beside, gains
from everloop.console.drawing.spark import sparkline
from everloop.console.drawing.track import legend, track
from everloop.console.endpoints.trails import trail_chart
from everloop.console.loops.backtests import backtest_chart, policy_section
from everloop.console.models.graph import graph_text, tree
from everloop.console.monitor.points import Point as Scored
from everloop.console.monitor.points import Seen
from everloop.console.monitor.service import service_charts
from everloop.console.runs.study import StudyPage, best_so_far, slice_of
from everloop.console.visit import visit
from everloop.evaluate.explain.dependence import Dependence
from everloop.monitor.summaries.drawing import bars_svg
from everloop.store.clock import now_ms

CHART_SIZE = (1000, 260)


def render(template: str, **values: Any) -> str:
    """A page as text."""
    return _ENVIRONMENT.get_template(template).render(**values)


def performance_chart(windows: Sequence[Seen], metric: str) -> Markup:
    """The champion's score in each window beside what its test had promised.

    The shade is its 95 % interval, or that of what was expected where no label has come yet.
    """
    points = [seen.point for seen in windows if seen.point is not None]
    series: dict[str, list[tuple[float, float | None]]] = {
        "in production": [(float(p.start), p.value) for p in points],
        "when tested": [(float(p.start), p.baseline) for p in points],
    }
    if any(p.expected is not None for p in points):
        series["expected"] = [(float(p.start), p.expected) for p in points]
    marks = [(float(p.start), "worse than tested") for p in points if p.worse]
    marks += [(float(seen.start), "in quarantine") for seen in windows if seen.quarantined]
    title = f"{metric} by window, with its 95 % interval"
    drawn = line_chart(
        series, title, "", metric, marks, x_kind="time", standalone=False, size=CHART_SIZE,
        band=[_sides(p) for p in points], steps=("when tested",),
    )  # fmt: skip
    return Markup(drawn)


def _sides(point: Scored) -> tuple[float, float | None, float | None]:
    if point.value is None:
        return float(point.start), point.expected_low, point.expected_high
    return float(point.start), point.low, point.high


def dependence_chart(found: Dependence) -> Markup:
    """The mean answer over the values of a number."""
    points = list(zip([float(v) for v in found.values], found.mean, strict=True))
    drawn = line_chart(
        {"mean answer": points}, f"Answer by {found.feature}", found.feature, "",
        standalone=False, size=CHART_SIZE,
    )  # fmt: skip
    return Markup(drawn)


def study_history(page: StudyPage) -> Markup:
    """What each trial reached, and the best so far."""
    xs, ys = [t.number for t in page.trials], [t.value for t in page.trials]
    line = best_so_far(page.trials, page.lower)
    marked = () if page.best is None else (page.best,)
    title = f"{page.metric} of each trial, and the best so far"
    drawn = dot_chart(
        xs, ys, title, "trial", "", marked=marked, line=line, size=CHART_SIZE, log=False
    )  # fmt: skip
    return Markup(drawn)


def study_front(page: StudyPage) -> Markup:
    """What was reached against what it cost."""
    xs, ys = [t.against for t in page.trials], [t.value for t in page.trials]
    title = f"{page.metric} against {page.against}"
    return Markup(dot_chart(xs, ys, title, page.against, "", marked=page.front))


def study_slices(page: StudyPage) -> list[Markup]:
    """What was reached with each value of each param."""
    return [
        Markup(dot_chart(column.values, reached, name, name, ""))
        for column, reached in slice_of(page.columns, page.metric)
        for name in (column.name.removeprefix("params."),)
    ]


def _row_of(features: list[str]) -> str:
    """An empty row for a person to fill in."""
    return msgspec.json.encode(dict.fromkeys(features)).decode()


def _query(asked: msgspec.Struct, **changes: str) -> str:
    """What a page was asked for as the query of its address, without what was left out."""
    values = msgspec.structs.asdict(asked) | changes
    return urlencode({name: value for name, value in values.items() if value})


def _tidy(value: Any) -> str:
    """JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


_ENVIRONMENT = Environment(
    loader=PackageLoader("everloop.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
for _name in (
    "tone",
    "plain",
    "moment",
    "iso",
    "ago",
    "span",
    "number",
    "percent",
    "interval",
    "score",
    "measure",
    "size",
    "share",
    "day",
    "effect",
    "bare",
    "short_day",
    "diff_lines",
):
    _ENVIRONMENT.filters[_name] = getattr(words, _name)
_ENVIRONMENT.filters.update(
    query=_query,
    row_of=_row_of,
    tidy=_tidy,
    cause=words.cause_words,
    brief=words.cause_brief,
    reason=words.reason_words,
)
_ENVIRONMENT.globals.update(
    asset=URLS.__getitem__,
    backtest_chart=backtest_chart,
    graph_text=graph_text,
    graph_tree=tree,
    service_charts=service_charts,
    trail_chart=trail_chart,
    dependence_chart=dependence_chart,
    histogram=lambda now, before: Markup(bars_svg(now, before)),
    distribution=lambda line: Markup(histogram(line)),
    now=now_ms,
    beside_chart=lambda e: Markup(beside(e)),
    gain_chart=lambda e, realised=None: Markup(gains(e, realised)),
    performance_chart=performance_chart,
    policy_section=policy_section,
    sparkline=lambda points, metric: Markup(sparkline(points, metric)),
    stage_circle=lambda stage, busy: Markup(circle(stage, busy)),
    track=lambda bars, now: Markup(track(bars, now)),
    track_legend=legend,
    study_front=study_front,
    study_history=study_history,
    study_slices=study_slices,
    visit=visit,
)
