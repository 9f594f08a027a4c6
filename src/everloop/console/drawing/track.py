"""A loop's cycles along their time: a bar each, linked to its page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.console.drawing.scales import time_label, time_ticks
from everloop.console.words import moment, plain, span, tone
from everloop.store.database import Database
from everloop.store.tables import cycles

BARS = 100
WIDTH, LANE, LEAST, EDGE = 1000, 22, 13.0, 8
LANES = 4  # bars that touch each other stand in lanes
# Told apart without colours too.
GLYPHS = {
    "promoted": "↑", "registered": "+", "not_worth_it": "=", "rejected": "×", "refused": "!",
    "rolled_back": "↩", "declined": "–", "failed": "✕", "waiting": "?", "running": "…",
    "passed": "✓", "failed_gates": "×", "reproduced": "✓", "differs": "≠",
}  # fmt: skip


class CycleBar(msgspec.Struct, frozen=True):
    """A cycle from its beginning to its end (ms); None while it goes on."""

    id: str
    number: int
    state: str
    verdict: str | None
    started: int
    finished: int | None

    @property
    def word(self) -> str:
        return self.verdict or self.state


def read_bars(db: Database, loop: str, before: int | None) -> list[CycleBar]:
    """The newest cycles, or those with a number below ``before``; oldest first."""
    names = CycleBar.__struct_fields__
    query = sa.select(*(cycles.c[name] for name in names)).where(cycles.c.loop == loop)
    if before is not None:
        query = query.where(cycles.c.number < before)
    with db.read() as conn:
        rows = conn.execute(query.order_by(cycles.c.number.desc()).limit(BARS)).all()
    return [CycleBar(*row) for row in reversed(rows)]


def track(bars: Sequence[CycleBar], now: int) -> str:
    """An inline SVG without style of its own; empty without a cycle."""
    if not bars:
        return ""
    first = bars[0].started
    last = max(max(bar.finished or now for bar in bars), first + 60_000)

    def x(at: float) -> float:
        return EDGE + (at - first) / (last - first) * (WIDTH - 2 * EDGE - LEAST)

    ends = [-1.0] * LANES
    drawn, deepest = [], 0
    for bar in bars:
        left = x(bar.started)
        wide = max(x(bar.finished or now) - left, LEAST)
        lane = next((i for i, end in enumerate(ends) if end <= left), ends.index(min(ends)))
        ends[lane], deepest = left + wide + 1, max(deepest, lane)
        drawn.append(_bar(bar, now, left, lane * LANE, wide))
    height = (deepest + 1) * LANE
    ticks = [
        f'<text x="{x(at):.0f}" y="{height + 15}" class="mid">{time_label(at, last - first)}</text>'
        for at in time_ticks(first, last)
        if 30 < x(at) < WIDTH - 30
    ]
    said = f"{len(bars)} cycles, the newest: {plain(bars[-1].word)}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {height + 20}" class="chart track" role="group" '
        f'aria-label="{escape(said)}"><line x1="0" x2="{WIDTH}" y1="{height}" y2="{height}" '
        f'class="grid"/>{"".join(ticks)}{"".join(drawn)}</svg>'
    )


def _bar(bar: CycleBar, now: int, left: float, top: float, wide: float) -> str:
    took = span(((bar.finished or now) - bar.started) / 1000)
    said = f"cycle {bar.number}: {plain(bar.word)}, {took}, {moment(bar.started)}"
    # The list below has the same links for the keyboard.
    return (
        f'<a href="/cycles/{escape(bar.id)}" tabindex="-1"><title>{escape(said)}</title>'
        f'<rect x="{left:.1f}" y="{top + 2}" width="{wide:.1f}" height="{LANE - 5}" rx="3" '
        f'class="{tone(bar.word)}"/><text x="{left + wide / 2:.1f}" y="{top + LANE - 8}" '
        f'class="mid glyph {tone(bar.word)}">{GLYPHS.get(bar.word, "·")}</text></a>'
    )


def legend(bars: Sequence[CycleBar]) -> list[tuple[str, str]]:
    """The words that the bars stand for, each with its sign."""
    words: dict[str, Any] = dict.fromkeys(bar.word for bar in bars)
    return [(word, GLYPHS.get(word, "·")) for word in words]
