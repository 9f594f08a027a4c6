"""Charts of a report as SVG: no script, the page's own colours, fit for paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from everloop.evaluate.explain.attributions import Swarm
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.report._base import Chart

SIZE = 320, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 14, 40
BAR_HEIGHT = 22
WIDE, NARROW = (640, 230), (320, 120)  # width of bars, and of that their names
VALUE_WIDTH = 60
LETTER = 6.9  # width of one; the widest of the usual fonts
LANE, DOT = 30, 2.2  # of a swarm: the height of a feature, and of what stands for a row

Point = tuple[float, float]


class Frame:
    """From values to places on the paper."""

    def __init__(self, points: Sequence[Point], square: bool) -> None:
        finite = [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])]
        xs, ys = [p[0] for p in finite] or [0.0], [p[1] for p in finite] or [0.0]
        if square:
            xs = ys = [*xs, *ys]
        self.x_ticks, self.y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
        self.low_x, self.high_x = min(xs), max(xs)
        if square or self.low_x == self.high_x:
            self.low_x, self.high_x = self.x_ticks[0], self.x_ticks[-1]

    def x(self, value: float) -> float:
        share = (value - self.low_x) / (self.high_x - self.low_x)
        return round(LEFT + share * (SIZE[0] - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return round(SIZE[1] - BOTTOM - (value - low) / (high - low) * (SIZE[1] - TOP - BOTTOM), 1)

    def grid(self, x_label: str, y_label: str) -> str:
        width, height = SIZE
        out = []
        for tick in self.y_ticks:
            y = self.y(tick)
            out.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y}" y2="{y}"/>')
            out.append(f'<text class="end" x="{LEFT - 6}" y="{y + 4}">{short(tick)}</text>')
        for tick in self.x_ticks:
            if self.low_x <= tick <= self.high_x:
                at = f'x="{self.x(tick)}" y="{height - BOTTOM + 15}"'
                out.append(f'<text class="mid" {at}>{short(tick)}</text>')
        middle_x, middle_y = (LEFT + width - RIGHT) / 2, (TOP + height - BOTTOM) / 2
        out.append(f'<text class="mid" x="{middle_x}" y="{height - 6}">{escape(x_label)}</text>')
        turned = f'transform="translate(11 {middle_y}) rotate(-90)"'
        out.append(f'<text class="mid" {turned}>{escape(y_label)}</text>')
        return "".join(out)

    def path(self, points: Sequence[Point], css: str) -> str:
        places = " ".join(f"{self.x(a)},{self.y(b)}" for a, b in points)
        return f'<polyline class="{css}" points="{places}"/>'


def chart(value: Chart) -> str:
    """Lines or dots of a chart."""
    points = [p for curve in value.curves for p in curve.points]
    frame = Frame(points, square=value.diagonal)
    body = [frame.grid(value.x, value.y)]
    if value.diagonal:
        low, high = frame.x_ticks[0], frame.x_ticks[-1]
        body.append(frame.path([(low, low), (high, high)], "reference"))
    for i, curve in enumerate(value.curves):
        if value.dots:
            body += [
                f'<circle class="dot" cx="{frame.x(a)}" cy="{frame.y(b)}" r="1.8"/>'
                for a, b in curve.points
            ]
        else:
            body.append(frame.path(curve.points, f"line s{i % 4}"))
            if len(curve.points) <= 12 and not value.plain:
                body += [
                    f'<circle class="d{i % 4}" cx="{frame.x(a)}" cy="{frame.y(b)}" r="2.6"/>'
                    for a, b in curve.points
                ]
    return document("".join(body), value.title, SIZE)


def dependence_chart(value: Dependence) -> str:
    """The mean answer over a feature's values, and some rows' own answers behind it."""
    numbers = value.kind == "number"
    if not numbers:
        pairs = [(str(name), mean) for name, mean in zip(value.values, value.mean, strict=True)]
        rows = [(name, mean, None, None) for name, mean in pairs]
        return bars(rows, f"{value.feature}: mean answer", size=NARROW)
    xs = [float(v) for v in value.values]
    mean = list(zip(xs, value.mean, strict=True))
    lines = [list(zip(xs, line, strict=True)) for line in value.lines]
    frame = Frame([*mean, *(p for line in lines for p in line)], square=False)
    body = [frame.grid(value.feature, "answer")]
    body += [frame.path(line, "faint") for line in lines]
    body.append(frame.path(mean, "line s0"))
    return document("".join(body), f"Answer by {value.feature}", SIZE)


def bars(
    rows: Sequence[tuple[str, float, float | None, float | None]],
    title: str,
    reference: float | None = None,
    size: tuple[int, int] = WIDE,
) -> str:
    """A bar a row, ``(name, value, low, high)``, from zero; whiskers are intervals."""
    ends = [v for row in rows for v in row[1:] if v is not None and math.isfinite(v)]
    low, high = min([0.0, *ends]), max([0.0, *ends, reference or 0.0])
    span = (high - low) or 1.0
    full, names = size
    room = full - names - VALUE_WIDTH

    def at(value: float) -> float:
        return round(names + (value - low) / span * room, 1)

    height = BAR_HEIGHT * len(rows) + 6
    body = []
    for i, (name, value, least, most) in enumerate(rows):
        y = 4 + i * BAR_HEIGHT
        left, right = sorted((at(0.0), at(value)))
        body.append(_name(name, names, y + 12))
        width = max(right - left, 0.5)
        body.append(f'<rect class="bar" x="{left}" y="{y + 2}" width="{width:.1f}" height="13"/>')
        if least is not None and most is not None:
            ends_at = f'x1="{at(least)}" x2="{at(most)}" y1="{y + 8.5}" y2="{y + 8.5}"'
            body.append(f'<line class="whisker" {ends_at}/>')
        far = max(right, at(most) if most is not None else right)
        body.append(f'<text x="{far + 6}" y="{y + 12}">{short(value)}</text>')
    if reference is not None:
        x = at(reference)
        body.append(f'<line class="reference" x1="{x}" x2="{x}" y1="0" y2="{height}"/>')
    return document("".join(body), title, (full, height), "wide" if size == WIDE else "")


def swarms(values: Sequence[Swarm], title: str) -> str:
    """A lane a feature, a dot a row: where it moved the answer, dark where its value is high."""
    full, names = WIDE
    every = [v for one in values for v in one.values]
    low, high = min([0.0, *every]), max([0.0, *every])
    span = (high - low) or 1.0
    room = full - names - 20

    def at(value: float) -> float:
        return round(names + 10 + (value - low) / span * room, 1)

    height = LANE * len(values) + 20
    body = [f'<line class="grid" x1="{at(0)}" x2="{at(0)}" y1="0" y2="{height - 20}"/>']
    for i, one in enumerate(values):
        middle = i * LANE + LANE / 2
        body.append(_name(one.feature, names, middle + 4))
        for x, y, shade in _spread_out(one, at, middle):
            css = "dot" if shade is None else f"dot h{min(int(shade * 4), 3)}"
            body.append(f'<circle class="{css}" cx="{x}" cy="{y}" r="{DOT}"/>')
    for tick in ticks(low, high):
        if low <= tick <= high:
            body.append(f'<text class="mid" x="{at(tick)}" y="{height - 4}">{short(tick)}</text>')
    return document("".join(body), title, (full, height), "wide")


def _spread_out(
    one: Swarm, at: Callable[[float], float], middle: float
) -> list[tuple[float, float, float | None]]:
    """Dots that would lie on each other stand above and below."""
    taken: dict[int, int] = {}
    out = []
    for value, shade in sorted(zip(one.values, one.shades, strict=True), key=lambda p: p[0]):
        x = at(value)
        place = taken[int(x / DOT / 2)] = taken.get(int(x / DOT / 2), -1) + 1
        step = (place + 1) // 2 * (1 if place % 2 else -1)
        away = max(-LANE / 2 + DOT, min(LANE / 2 - DOT, step * DOT))
        out.append((x, round(middle + away, 1), shade))
    return out


def _name(name: str, width: int, y: float) -> str:
    """A name that ends beside its bar; one that is too long is cut, and whole for who points."""
    letters = int((width - 10) / LETTER)
    shown = name if len(name) <= letters else name[: letters - 1] + "…"
    whole = "" if shown == name else f"<title>{escape(name)}</title>"
    return f'<text class="end" x="{width - 8}" y="{y}">{escape(shown)}{whole}</text>'


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers around ``low`` to ``high``."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / count))
    step = next(f * size for f in (1, 2, 5, 10) if f * size >= span / count * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return [round(i * step, 12) for i in range(first, last + 1)]


def short(value: float) -> str:
    """A number as people write it on an axis."""
    if abs(value) < 1e-12:
        return "0"
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        return f"{value:.2g}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.0f}"


def document(body: str, title: str, size: tuple[int, int], css: str = "") -> str:
    return (
        f'<svg class="{css}" viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg>'
    )
