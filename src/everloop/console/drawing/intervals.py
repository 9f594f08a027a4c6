"""Values with their intervals under each other, on one axis: what is surely better is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

from everloop.console.drawing.scales import inner_ticks, number_label
from everloop.console.words import score
from everloop.update.realised import Realised

WIDTH, ROW, FOOT, NAME, VALUE = 640, 26, 24, 170, 100


class Line(NamedTuple):
    """A value with the ends of its interval; ``tone`` is good, bad or plain."""

    name: str
    value: float
    low: float
    high: float
    tone: str = "plain"


def intervals(lines: Sequence[Line], title: str, zero: bool = False, needed: float = 0.0) -> str:
    """An inline SVG without style of its own; empty without a line.

    ``zero`` marks no difference, and ``needed`` (above it) what would be enough.
    """
    if not lines:
        return ""
    ends = [end for line in lines for end in (line.low, line.high)]
    ends += [0.0, needed] if zero else []
    margin = (max(ends) - min(ends) or abs(ends[0]) or 1.0) * 0.06
    low, high = min(ends) - margin, max(ends) + margin
    right, bottom = WIDTH - VALUE, len(lines) * ROW

    def x(value: float) -> float:
        return round(NAME + (value - low) / (high - low) * (right - NAME), 1)

    body = [_axis(x, low, high, bottom)]
    if zero:
        body.append(_upright(x(0), bottom, "zero", "no difference"))
    if zero and needed > 0:
        body.append(_upright(x(needed), bottom, "needed", f"needed: {needed:+.4f}"))
    for place, line in enumerate(lines):
        body.append(_line(line, place * ROW + ROW // 2, x, right, "+.4f" if zero else ""))
    said = "; ".join(f"{n.name} {score(n.value)}, {score(n.low)} to {score(n.high)}" for n in lines)
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + FOOT}" class="chart intervals" role="img" '
        f'aria-label="{escape(f"{title}: {said}")}">{"".join(body)}</svg>'
    )


def _upright(x: float, bottom: int, css: str, said: str) -> str:
    return (
        f'<line x1="{x}" x2="{x}" y1="0" y2="{bottom}" class="{css}"><title>{said}</title></line>'
    )


def _axis(x: Callable[[float], float], low: float, high: float, bottom: int) -> str:
    ticks = inner_ticks(low, high, 5)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    return "".join(
        _upright(x(t), bottom, "grid", "")
        + f'<text x="{x(t)}" y="{bottom + 16}" class="mid">{number_label(t, step)}</text>'
        for t in ticks
    )


def _line(line: Line, y: int, x: Callable[[float], float], right: int, form: str) -> str:
    value = format(line.value, form) if form else score(line.value)
    name = line.name if len(line.name) <= 26 else line.name[:25] + "…"
    low, high = x(line.low), x(line.high)
    reach = f"M{low} {y}H{high}M{low} {y - 5}v10M{high} {y - 5}v10"
    return (
        f'<text x="{NAME - 12}" y="{y + 4}" class="end">{escape(name)}</text>'
        f'<path d="{reach}" class="reach {line.tone}"/>'
        f'<circle cx="{x(line.value)}" cy="{y}" r="4.5" class="dot {line.tone}"/>'
        f'<text x="{right + 12}" y="{y + 4}" class="value">{value}</text>'
    )


def gains(e: Any, realised: Realised | None = None) -> str:
    """What was expected of the new version over the champion, was measured, and came true.

    ``e`` has the evidence of a cycle: its probe, what that was weighed as, and its comparison.
    """
    lines, probe, gap = [], e.probe or {}, e.comparison or {}
    if probe.get("enough"):
        lines.append(_gain("expected, by a probe", probe["gain"], probe["low"], probe["high"]))
    if gap.get("difference") is not None:
        low, high = gap.get("low"), gap.get("high")
        lines.append(_gain("measured, by the test", gap["difference"], low, high))
    if realised is not None and realised.gain is not None:
        lines.append(_gain("realised, by labels", realised.gain, realised.low, realised.high))
    needed = (e.weighed or probe).get("needed") or 0.0
    return intervals(lines, "The gain over the champion", zero=True, needed=float(needed))


def _gain(name: str, value: float, low: float | None, high: float | None) -> Line:
    low, high = value if low is None else low, value if high is None else high
    return Line(name, value, low, high, "good" if low > 0 else "bad" if high < 0 else "plain")


def beside(e: Any) -> str:
    """The main metric of the new version and of the champion, on the same held-out rows."""
    found = {"this cycle": e.metrics, f"version {e.champion}": e.champion_metrics}
    lines = []
    for who, metrics in found.items():
        one = metrics.get(e.metric) or {}
        if one.get("value") is not None and one.get("low") is not None:
            lines.append(Line(who, one["value"], one["low"], one["high"]))
    return intervals(lines, e.metric) if len(lines) > 1 else ""
