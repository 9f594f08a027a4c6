"""The loop as a picture: five stages on a circle, the present one lit."""

from __future__ import annotations

import math

from everloop.loop.status import STAGES

WIDTH, HEIGHT, RADIUS, DOT = 240, 200, 62, 7
GAP = 0.22  # radians left free between a dot and its arc
TURN = 2 * math.pi / len(STAGES)


def circle(stage: str, busy: bool = False) -> str:
    """An inline SVG without style of its own; ``busy`` when a step is under way."""
    parts = []
    for index, name in enumerate(STAGES):
        angle = index * TURN - math.pi / 2
        lit = name == stage
        parts.append(_arc(angle + GAP, angle + TURN - GAP))
        x, y = _point(angle, RADIUS)
        css = f"dot{' lit' if lit else ''}{' busy' if lit and busy else ''}"
        parts.append(f'<circle cx="{x}" cy="{y}" r="{DOT}" class="{css}"/>')
        parts.append(_label(angle, name, lit))
    said = f"The loop stands at {stage}" + (", a step is under way." if busy else ".")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="circle" role="img" aria-label="{said}">'
        f"{''.join(parts)}</svg>"
    )


def _arc(start: float, end: float) -> str:
    (x1, y1), (x2, y2) = _point(start, RADIUS), _point(end, RADIUS)
    tip = end - 0.10
    (ax, ay), (bx, by) = _point(tip, RADIUS - 4), _point(tip, RADIUS + 4)
    return (
        f'<path d="M{x1} {y1}A{RADIUS} {RADIUS} 0 0 1 {x2} {y2}" class="arc"/>'
        f'<path d="M{ax} {ay}L{x2} {y2}L{bx} {by}" class="arc"/>'
    )


def _label(angle: float, name: str, lit: bool) -> str:
    x, y = _point(angle, RADIUS + 16)
    side = math.cos(angle)
    anchor = "middle" if abs(side) < 0.2 else "start" if side > 0 else "end"
    css = ' class="lit"' if lit else ""
    return f'<text x="{x}" y="{y + 4}" text-anchor="{anchor}"{css}>{name}</text>'


def _point(angle: float, radius: float) -> tuple[float, float]:
    x, y = WIDTH / 2 + radius * math.cos(angle), HEIGHT / 2 + 4 + radius * math.sin(angle)
    return round(x, 1), round(y, 1)
