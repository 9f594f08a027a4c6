"""A table's profile drawn: small histograms as text, and as SVG for notebooks and pages."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from everloop.monitor.profile import CategorySketch, NumberSketch, Sketch
from everloop.monitor.vectors import VectorSketch

if TYPE_CHECKING:
    from everloop.monitor.summaries.columns import ColumnSummary

BARS = 12
FARTHEST = 4e307  # that is drawn: differences stay floats
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STYLE = (
    "border-collapse:collapse;font:13px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums"
)


def shares(sketch: Sketch, span: tuple[float, float] | None = None) -> list[float]:
    """Shares of the values in equal steps of ``span`` (by default from low to high), or of the
    most frequent levels."""
    if not sketch.n or isinstance(sketch, VectorSketch):
        return []
    if isinstance(sketch, CategorySketch):
        top = sorted([*sketch.counts, sketch.unseen], reverse=True)[:BARS]
        return [count / sketch.n for count in top if count]
    low, high = span or reach(sketch)
    if low == high:
        return [1.0]
    edges = np.linspace(low, high, BARS + 1)
    below, _ = sketch.cdf(edges)
    below[0], below[-1] = 0.0, 1.0
    return [float(share) for share in np.diff(below)]


def reach(sketch: NumberSketch) -> tuple[float, float]:
    """From where to where most values lie: without the tails, where they are long."""
    found = sketch.quantile(np.array([0.0, 0.01, 0.99, 1.0]))
    low, first, last, high = found.clip(-FARTHEST, FARTHEST)
    slack = (last - first) or abs(high - low)
    return float(max(low, first - slack)), float(min(high, last + slack))


def sparkline(values: list[float]) -> str:
    """A histogram in one line of text."""
    most = max(values, default=0.0)
    if most <= 0:
        return ""
    return "".join(_BLOCKS[0 if v <= 0 else max(1, round(v / most * 8))] for v in values)


def bars_svg(values: list[float], others: list[float] | None = None) -> str:
    """A histogram of 120 by 28; ``others`` are drawn over it as a line of steps."""
    most = max([*values, *(others or [])], default=0.0)
    if most <= 0:
        return ""
    wide = 120 / max(len(values), len(others or []), 1)
    drawn = "".join(
        f'<rect class="bar" fill="#0b6bcb" fill-opacity=".55" x="{i * wide:.1f}"'
        f' y="{28 - v / most * 26:.1f}" width="{max(wide - 1, 1):.1f}"'
        f' height="{v / most * 26:.1f}"/>'
        for i, v in enumerate(values)
    )
    if others:
        steps = " ".join(
            f"{i * wide:.1f},{28 - v / most * 26:.1f} {(i + 1) * wide:.1f},{28 - v / most * 26:.1f}"
            for i, v in enumerate(others)
        )
        drawn += f'<polyline fill="none" stroke="#c2410c" stroke-width="1.5" points="{steps}"/>'
    return f'<svg role="img" aria-label="histogram" viewBox="0 0 120 28" width="120">{drawn}</svg>'


def facts(column: ColumnSummary) -> list[str]:
    """What a table says of a column: kind, missing, different values, mean, sd, and three values
    or the frequent ones."""
    sketch, rows = column.sketch(), max(column.summary.rows, 1)
    missing = f"{column.summary.missing / rows:.1%}"
    kind = column.shown_kind + (f" ({column.measured})" if column.measured else "")
    numeric = getattr(column.summary, "numeric", 0)
    if 0 < numeric < sketch.n:
        kind += f", {numeric / sketch.n:.0%} numbers"
    head = [kind, missing, f"{column.summary.distinct:,}"]
    if isinstance(sketch, CategorySketch):
        top = sorted(zip(sketch.counts, sketch.levels, strict=True), reverse=True)[:3]
        said = ", ".join(f"{name[:24]} {count / max(sketch.n, 1):.0%}" for count, name in top)
        return [*head, "", "", said]
    if not sketch.n or isinstance(sketch, VectorSketch):
        return [*head, "", "", "no value"]
    low, middle, high = sketch.quantile(np.array([0.0, 0.5, 1.0]))
    said = f"{low:.4g} … {middle:.4g} … {high:.4g}"
    if column.first is not None:
        said = f"{column.first[:16]} … {str(column.last)[:16]}"
    said += " characters" if column.shown_kind == "text" else ""
    return [*head, f"{sketch.mean:.4g}", f"{sketch.sd:.4g}", said]


HEADS = ("column", "kind", "missing", "different", "mean", "sd", "values")


def profile_html(rows: int, columns: Mapping[str, ColumnSummary]) -> str:
    """A table with a histogram for each column."""
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in (*HEADS, ""))
    lines = []
    for name, column in columns.items():
        cells = "".join(f"<td>{escape(text)}</td>" for text in facts(column))
        drawn = bars_svg(shares(column.sketch()))
        lines.append(f"<tr><th style='text-align:left'>{escape(name)}</th>{cells}<td>{drawn}</td>")
    body = "</tr>".join(lines)
    return (
        f"<table style='{_STYLE}'><caption style='text-align:left'>{rows:,} rows</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tr></tbody></table>"
    )
