"""Line charts as SVG: a few marks, no script, readable on light and dark, safe with any text."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple

from everloop.console.drawing.scales import (
    DAY_MS,
    inner_ticks,
    number_label,
    round_ticks,
    time_label,
    time_ticks,
)

Points = Sequence[tuple[float, float | None]]
Band = Sequence[tuple[float, float | None, float | None]]
SIZE = (720, 300)  # width and height in pixels
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 62, 46
MOST_DOTS = 80  # a longer line is drawn without its dots
CHARACTER = 6.6  # mean width of a character of the legend, in pixels

# The colours are told apart by people with colour blindness too, and lines differ in dashes.
STYLE = """
.chart{color-scheme:light dark;font:12px system-ui,sans-serif;--ink:#1c2430;--soft:#5c6673;
--grid:#e3e7ec;--back:#fff;--s0:#0b6bcb;--s1:#c2410c;--s2:#0f7b55;--s3:#8b3fb5;
--m0:#7a5b00;--m1:#b3123f}
@media(prefers-color-scheme:dark){.chart{--ink:#e6eaf0;--soft:#9aa5b4;--grid:#2b333f;--back:#12161d;
--s0:#5eb1ff;--s1:#ff9d5c;--s2:#4fd1a1;--s3:#d09bf5;--m0:#e0bd4f;--m1:#ff7a9c}}
"""
MARKS = """
.chart text{fill:var(--soft)}.chart .title{fill:var(--ink);font-size:14px;font-weight:600}
.chart .grid{stroke:var(--grid)}.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}
.chart .s0{stroke:var(--s0)}.chart .s1{stroke:var(--s1);stroke-dasharray:7 3}
.chart .s2{stroke:var(--s2);stroke-dasharray:2 3}
.chart .s3{stroke:var(--s3);stroke-dasharray:9 3 2 3}
.chart .d0{fill:var(--s0)}.chart .d1{fill:var(--s1)}
.chart .d2{fill:var(--s2)}.chart .d3{fill:var(--s3)}
.chart .m0{stroke:var(--m0);stroke-dasharray:3 3}.chart .m1{stroke:var(--m1);stroke-width:1.5}
.chart .band{fill:var(--s0);opacity:.13}
.chart .end{text-anchor:end}.chart .mid{text-anchor:middle}
"""


def line_chart(
    series: Mapping[str, Points],
    title: str,
    x_label: str = "",
    y_label: str = "",
    markers: Sequence[tuple[float, str]] = (),
    *,
    x_kind: Literal["number", "time"] = "number",
    standalone: bool = True,
    size: tuple[int, int] = SIZE,
    band: Band = (),
    steps: Collection[str] = (),
) -> str:
    """A chart of up to four lines over one x axis, as the text of an SVG.

    Parameters
    ----------
    series : name → ``(x, y)`` by rising x; a y that is None or not finite breaks the line.
    markers : ``(x, label)`` upright lines; those with the same label look the same (two kinds).
    x_kind : ``time`` when x is in milliseconds since 1970 UTC.
    standalone : with colours and background of its own, for a file; without, the page's style
        sheet (see :data:`STYLE`, :data:`MARKS`) colours it.
    size : width and height of the drawing; a page may show it larger or smaller.
    band : ``(x, low, high)`` of the first line's interval, drawn as a shade behind it; an
        interval that is not known leaves a gap.
    steps : names of the lines whose value holds until the next one, drawn as steps.
    """
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points if y is not None and math.isfinite(y)]
    ys += [y for _, *ends in band for y in ends if y is not None and math.isfinite(y)]
    body = [f'<text x="{LEFT}" y="22" class="title">{plain_text(title)}</text>']
    if ys:
        frame = frame_of(xs, ys, size, 3.5 * DAY_MS if x_kind == "time" else 1.0)
        body += [grid_of(frame, x_kind), *_band(frame, band), *_markers(frame, markers)]
        body += [
            _line(frame, i % 4, points, name in steps)
            for i, (name, points) in enumerate(series.items())
        ]
        body.append(_legend(list(series), [label for _, label in markers]))
    else:
        middle = (LEFT + size[0] - RIGHT) / 2
        body.append(f'<text x="{middle}" y="{size[1] / 2}" class="mid">no values yet</text>')
    body.append(axis_labels(x_label, y_label, size))
    return _document("".join(body), title, _spoken(series), standalone, size)


class Frame(NamedTuple):
    """The data's bounds with the ticks of the y axis, and the drawing's right and bottom end."""

    x_low: float
    x_high: float
    y_ticks: list[float]
    right: int
    bottom: int

    def x(self, value: float) -> float:
        span = self.x_high - self.x_low
        return round(LEFT + (value - self.x_low) / span * (self.right - LEFT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return round(self.bottom - (value - low) / (high - low) * (self.bottom - TOP), 1)


def plain_text(text: str) -> str:
    """Any text, as XML may hold it."""
    return escape("".join(c for c in text if c.isprintable()))


def frame_of(xs: list[float], ys: list[float], size: tuple[int, int], beside: float) -> Frame:
    low, high = min(ys), max(ys)
    if low == high:  # a flat line runs through the middle
        low, high = low - (abs(low) or 1) * 0.05, high + (abs(high) or 1) * 0.05
    x_low, x_high = min(xs), max(xs)
    if x_low == x_high:  # a single point stands in the middle
        x_low, x_high = x_low - beside, x_high + beside
    right, bottom = size[0] - RIGHT, size[1] - BOTTOM
    return Frame(x_low, x_high, round_ticks(low, high, 4), right, bottom)


def grid_of(frame: Frame, x_kind: str) -> str:
    out = []
    step = frame.y_ticks[1] - frame.y_ticks[0]
    for tick in frame.y_ticks:
        y = frame.y(tick)
        out.append(f'<line x1="{LEFT}" x2="{frame.right}" y1="{y}" y2="{y}" class="grid"/>')
        label = number_label(tick, step)
        out.append(f'<text x="{LEFT - 8}" y="{y + 4}" class="end">{label}</text>')
    for x, label in () if x_kind == "words" else _x_ticks(frame, x_kind):
        out.append(f'<text x="{frame.x(x)}" y="{frame.bottom + 18}" class="mid">{label}</text>')
    return "".join(out)


def _x_ticks(frame: Frame, x_kind: str) -> list[tuple[float, str]]:
    low, high = frame.x_low, frame.x_high
    if x_kind == "time":
        return [(t, time_label(t, high - low)) for t in time_ticks(low, high) or [low]]
    ticks = inner_ticks(low, high)
    step = ticks[1] - ticks[0]
    return [(t, number_label(t, step)) for t in ticks]


def _markers(frame: Frame, markers: Sequence[tuple[float, str]]) -> list[str]:
    kinds = list(dict.fromkeys(label for _, label in markers))
    out = []
    for x, label in markers:
        if frame.x_low <= x <= frame.x_high:
            at = frame.x(x)
            out.append(
                f'<line x1="{at}" x2="{at}" y1="{TOP}" y2="{frame.bottom}" '
                f'class="m{kinds.index(label) % 2}"><title>{plain_text(label)}</title></line>'
            )
    return out


def _band(frame: Frame, band: Band) -> list[str]:
    """One shape for each unbroken run of intervals."""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for x, low, high in band:
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            runs.append([])
        else:
            runs[-1].append((x, low, high))
    out = []
    for run in runs:
        if len(run) > 1:
            above = [f"{frame.x(x)} {frame.y(high)}" for x, _, high in run]
            below = [f"{frame.x(x)} {frame.y(low)}" for x, low, _ in reversed(run)]
            out.append(f'<path d="M{"L".join(above + below)}Z" class="band"/>')
    return out


def _line(frame: Frame, index: int, points: Points, steps: bool = False) -> str:
    path, dots, pen = [], [], "M"
    for x, y in points:
        if y is None or not math.isfinite(y):
            pen = "M"
            continue
        at = f"{frame.x(x)} {frame.y(y)}"
        path.append(f"H{frame.x(x)}V{frame.y(y)}" if steps and pen == "L" else pen + at)
        dots.append(at.split())
        pen = "L"
    circles = [f'<circle cx="{x}" cy="{y}" r="2.5" class="d{index}"/>' for x, y in dots]
    line = f'<path d="{"".join(path)}" class="line s{index}"/>'
    level = len({y for _, y in dots}) == 1 and len(dots) > 1  # a reference needs no dots
    return line + ("" if level or steps or len(dots) > MOST_DOTS else "".join(circles))


def _legend(names: list[str], marker_labels: list[str]) -> str:
    keys = [(f"line s{i % 4}", name) for i, name in enumerate(names)]
    kinds = list(dict.fromkeys(marker_labels))
    keys += [(f"m{i % 2}", label) for i, label in enumerate(kinds)]
    out, x = [], float(LEFT)
    for css, name in keys:
        shown = name if len(name) <= 28 else name[:27] + "…"
        out.append(f'<line x1="{x:.0f}" x2="{x + 22:.0f}" y1="42" y2="42" class="{css}"/>')
        out.append(f'<text x="{x + 28:.0f}" y="46">{plain_text(shown)}</text>')
        x += 28 + CHARACTER * len(shown) + 20
    return "".join(out)


def axis_labels(x_label: str, y_label: str, size: tuple[int, int]) -> str:
    x, y = (LEFT + size[0] - RIGHT) / 2, (TOP + size[1] - BOTTOM) / 2
    return (
        f'<text x="{x}" y="{size[1] - 8}" class="mid">{plain_text(x_label)}</text>'
        f'<text transform="translate(14 {y}) rotate(-90)" class="mid">{plain_text(y_label)}</text>'
    )


def _spoken(series: Mapping[str, Points]) -> str:
    """What a screen reader says: each line's first and last value."""
    said = []
    for name, points in series.items():
        known = [y for _, y in points if y is not None and math.isfinite(y)]
        if known:
            said.append(f"{name}: {len(known)} values from {known[0]:.4g} to {known[-1]:.4g}")
    return "; ".join(said) or "no values yet"


def _document(body: str, title: str, spoken: str, standalone: bool, size: tuple[int, int]) -> str:
    style = f"<style>{STYLE}{MARKS}</style>" if standalone else ""
    back = '<rect width="100%" height="100%" rx="8" fill="var(--back)"/>' if standalone else ""
    said = plain_text(f"{title}. {spoken}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" class="chart" '
        f'role="img" aria-label="{said}">{style}{back}{body}</svg>\n'
    )
