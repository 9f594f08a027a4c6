"""The report as one page that needs nothing beside itself."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.report import drawing
from everloop.evaluate.report._base import Chart, Report
from everloop.extensions import metrics
from everloop.page import page_style

TEMPLATE = "report.html"
MOST_BARS = 20


def render_html(report: Report) -> str:
    """The page: inline styles and SVG, no script, no address outside itself."""
    return template().render(
        r=report, style=Markup(page_style()), charts=_charts(report), meaning=_meanings(report)
    )


def render_json(report: Report) -> bytes:
    """The twin of the page."""
    return msgspec.json.format(msgspec.json.encode(report))


def read_report(data: bytes) -> Report:
    """What :func:`render_json` wrote."""
    return msgspec.json.decode(data, type=Report)


def _meanings(report: Report) -> dict[str, str]:
    """What each metric is, in a line."""
    known = dict(metrics)
    return {
        name: (known[name].__doc__ or "").strip().splitlines()[0].replace("``", "")
        for name in report.tested.get("metrics") or {}
        if name in known
    }


def _charts(report: Report) -> dict[str, Any]:
    """Drawings by what they show."""
    important = [(i.feature, i.drop, i.drop - i.spread, i.drop + i.spread)
                 for i in report.importances[:MOST_BARS]]  # fmt: skip
    found = report.shapley
    sizes = [(n, size, None, None) for n, size in found.sizes[:MOST_BARS]] if found else []
    return {
        "importances": Markup(drawing.bars(important, "Importance")) if important else "",
        "shapley": Markup(drawing.bars(sizes, "Mean size of Shapley values")) if sizes else "",
        "swarm": Markup(drawing.swarms(found.swarms, "Shapley values")) if found else "",
        "slices": _slices(report),
        "fairness": [_by_group(report, i) for i in range(len(report.fairness))],
    }


def _slices(report: Report) -> Any:
    if report.slices is None or not report.slices.worst:
        return ""
    rows = [(f"{s.name}", s.value, s.low, s.high) for s in report.slices.worst]
    return Markup(drawing.bars(rows, "Worst slices", reference=report.slices.overall))


def _by_group(report: Report, index: int) -> Any:
    """The selection rate of each judged group, or the first of its metrics."""
    found = report.fairness[index]
    name = next(iter(found.overall.metrics), None) if found.overall is not None else None
    judged = [g for g in found.groups if g.judged]
    of = {g.name: g.metrics.get(name) if name else g.selection_rate for g in judged}
    rows = [
        (group, m.value, m.low, m.high)
        for group, m in of.items()
        if m is not None and m.value is not None
    ]
    title = f"{_plain(name or 'selection_rate').capitalize()} by group"
    middle = found.overall.metrics[name].value if found.overall is not None and name else None
    return Markup(drawing.bars(rows, title, reference=middle)) if rows else ""


@functools.cache
def template() -> jinja2.Template:
    """The compiled template, which takes a tenth of a second the first time."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "percent": _percent,
        "moment": _moment,
        "plain": _plain,
        "share": lambda s: "–" if s.value is None else f"{s.value:.1%}",
    }
    environment.globals |= {"draw": _draw}
    return environment.get_template(TEMPLATE)


def _draw(value: Chart | Dependence) -> Markup:
    made = drawing.chart(value) if isinstance(value, Chart) else drawing.dependence_chart(value)
    return Markup(made)


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")


def _plain(name: Any) -> str:
    return str(name).replace("_", " ")
