"""A histogram of now beside that of the reference, with what its ends are."""

from __future__ import annotations

from html import escape

from everloop.console.words import number
from everloop.monitor.profile_report import ProfileLine

WIDTH, HEIGHT, FOOT = 320, 110, 18


def histogram(line: ProfileLine) -> str:
    """An inline SVG without style of its own: bars are now, the stepped line is the reference."""
    most = max([*line.now, *line.before], default=0.0)
    if most <= 0:
        return ""
    count = max(len(line.now), len(line.before))
    wide, tall = WIDTH / count, HEIGHT - FOOT
    bars = "".join(
        f'<rect x="{i * wide + 1:.1f}" y="{tall - v / most * (tall - 4):.1f}" '
        f'width="{wide - 2:.1f}" height="{v / most * (tall - 4):.1f}" class="now">'
        f"<title>{escape(_said(line, i))}</title></rect>"
        for i, v in enumerate(line.now)
    )
    steps = " ".join(
        f"{x:.1f},{tall - v / most * (tall - 4):.1f}"
        for i, v in enumerate(line.before)
        for x in (i * wide, (i + 1) * wide)
    )
    before = f'<polyline points="{steps}" class="before"/>' if steps else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="chart histogram" role="img" '
        f'aria-label="{escape(f"{line.name}: now {line.facts}; before {line.facts_before}")}">'
        f'{bars}{before}<line x1="0" x2="{WIDTH}" y1="{tall}" y2="{tall}" class="grid"/>'
        f"{_ends(line, wide)}</svg>"
    )


def _said(line: ProfileLine, place: int) -> str:
    name = line.names[place] if place < len(line.names) else f"step {place + 1}"
    was = f", {line.before[place]:.1%} before" if place < len(line.before) else ""
    return f"{name}: {line.now[place]:.1%}{was}"


def _ends(line: ProfileLine, wide: float) -> str:
    if line.span is not None:
        low, high = map(number, line.span)
        return (
            f'<text x="0" y="{HEIGHT - 4}">{low}</text>'
            f'<text x="{WIDTH}" y="{HEIGHT - 4}" class="end">{high}</text>'
        )
    fits = max(int(wide / 7.5), 1)
    names = [(round((i + 0.5) * wide), escape(name[:fits])) for i, name in enumerate(line.names)]
    return "".join(f'<text x="{x}" y="{HEIGHT - 4}" class="mid">{name}</text>' for x, name in names)
