"""The trend of a score in a small picture: a line with its interval beside what was promised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from everloop.console.monitor.points import Point
from everloop.console.words import day, score

WIDTH, HEIGHT, EDGE = 220, 48, 4


def sparkline(points: Sequence[Point], metric: str) -> str:
    """An inline SVG without style of its own; empty without a score.

    The line is what labels say; where there are none yet, it goes on dashed with what is expected.
    """
    values = [v for p in points for v in _heights(p)]
    if not values:
        return ""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - abs(low or 1) * 0.05, high + abs(high or 1) * 0.05
    step = (WIDTH - 2 * EDGE) / max(len(points) - 1, 1)

    def x(place: int) -> float:
        return round(EDGE + place * step, 1)

    def y(value: float) -> float:
        return round(HEIGHT - EDGE - (value - low) / (high - low) * (HEIGHT - 2 * EDGE), 1)

    real = [(x(i), y(p.value)) for i, p in enumerate(points) if p.value is not None]
    tested = [(x(i), y(p.baseline)) for i, p in enumerate(points) if p.baseline is not None]
    last = max((i for i, p in enumerate(points) if p.value is not None), default=-1)
    ahead = [(x(i), y(p.expected)) for i, p in enumerate(points) if i > last and p.expected]
    band = _band([(x(i), y(p.low), y(p.high)) for i, p in enumerate(points) if p.low and p.high])
    drawn = [
        band,
        _path(tested, "s1"),
        _path(real, "s0"),
        _path([*real[-1:], *ahead], "s0 ahead"),
        *(f'<circle cx="{a}" cy="{b}" r="2.5" class="d0"/>' for a, b in (ahead or real)[-1:]),
        *(
            f'<path d="M{x(i) - 4} {y(p.value) - 5}h8l-4 7z" class="fall"/>'
            for i, p in enumerate(points)
            if p.worse and p.value is not None
        ),
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="chart spark" role="img" '
        f'aria-label="{escape(_spoken(points, metric))}">{"".join(drawn)}</svg>'
    )


def _heights(point: Point) -> list[float]:
    known = (point.value, point.low, point.high, point.baseline, point.expected)
    return [v for v in known if v is not None and math.isfinite(v)]


def _path(at: list[tuple[float, float]], css: str) -> str:
    if len(at) < 2:
        return ""
    return f'<path d="M{"L".join(f"{a} {b}" for a, b in at)}" class="line {css}"/>'


def _band(sides: list[tuple[float, float, float]]) -> str:
    if len(sides) < 2:
        return ""
    above = [f"{a} {high}" for a, _, high in sides]
    below = [f"{a} {low}" for a, low, _ in reversed(sides)]
    return f'<path d="M{"L".join(above + below)}Z" class="band"/>'


def _spoken(points: Sequence[Point], metric: str) -> str:
    """What a screen reader says."""
    first, last = points[0], points[-1]
    value = last.value if last.value is not None else last.expected
    worse = sum(p.worse for p in points)
    said = f"{metric} in {len(points)} windows from {day(first.start)}; the newest {score(value)}"
    if last.baseline is not None:
        said += f", {score(last.baseline)} when tested"
    return said + (f"; worse than tested in {worse}" if worse else "")
