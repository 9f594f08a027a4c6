"""Dots as SVG: one value against another, some of them marked, readable on light and dark."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from everloop.console.drawing.charts import LEFT, Frame, axis_labels, frame_of, grid_of, plain_text

SIZE = (480, 260)
WORDS = 8
"""Words of an axis that are told; there may be more."""


def dot_chart(
    xs: Sequence[Any],
    ys: Sequence[float | None],
    title: str,
    x_label: str,
    y_label: str,
    *,
    marked: Collection[int] = (),
    line: Sequence[tuple[float, float]] = (),
    size: tuple[int, int] = SIZE,
    log: bool = True,
) -> str:
    """A dot for each pair of which both are known.

    Numbers that span more than two powers of ten lie by their logarithm, words in their order.

    Parameters
    ----------
    marked : places of pairs that are drawn larger, in another colour.
    line : ``(x, y)`` of a line through the picture by steps, where ``log`` is False.
    log : False keeps numbers from lying by their logarithm.
    """
    places, label, words = _across(xs, x_label, log)
    known = [
        (i, x, y)
        for i, (x, y) in enumerate(zip(places, ys, strict=True))
        if x is not None and y is not None and math.isfinite(y)
    ]
    body = f'<text x="{LEFT}" y="22" class="title">{plain_text(title)}</text>'
    if known:
        frame = frame_of([x for _, x, _ in known], [y for _, _, y in known], size, 1.0)
        body += _words(frame, words) if words else grid_of(frame, "number")
        body += _steps(frame, line)
        body += "".join(_dot(frame, x, y, i in marked) for i, x, y in known)
    else:
        body += f'<text x="{size[0] / 2}" y="{size[1] / 2}" class="mid">no values yet</text>'
    body += axis_labels(label, y_label, size)
    said = plain_text(f"{title}: {len(known)} dots")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" class="chart" '
        f'role="img" aria-label="{said}">{body}</svg>\n'
    )


def _across(xs: Sequence[Any], label: str, log: bool) -> tuple[list[float | None], str, list[str]]:
    """Where the values lie, what the axis is called, and its words if it has any."""
    known = [x for x in xs if x is not None]
    if not all(isinstance(x, int | float) for x in known):
        words = sorted({str(x) for x in known})
        return [None if x is None else float(words.index(str(x))) for x in xs], label, words
    if log and known and min(known) > 0 and max(known) / min(known) > 100:
        return [None if x is None else math.log10(x) for x in xs], f"log10 of {label}", []
    return [None if x is None else float(x) for x in xs], label, []


def _words(frame: Frame, words: list[str]) -> str:
    grid = grid_of(frame, "words")
    step = max(1, math.ceil(len(words) / WORDS))
    return grid + "".join(
        f'<text x="{frame.x(i)}" y="{frame.bottom + 18}" class="mid">{plain_text(word[:16])}</text>'
        for i, word in enumerate(words)
        if i % step == 0
    )


def _dot(frame: Frame, x: float, y: float, marked: bool) -> str:
    look = 'r="4.5" class="d1"' if marked else 'r="3" class="d0"'
    return f'<circle cx="{frame.x(x)}" cy="{frame.y(y)}" {look}/>'


def _steps(frame: Frame, line: Sequence[tuple[float, float]]) -> str:
    path = [f"{'H' if i else 'M'}{frame.x(x)}{'V' if i else ' '}{frame.y(y)}"
            for i, (x, y) in enumerate(line)]  # fmt: skip
    return f'<path d="{"".join(path)}" class="line s1"/>' if path else ""
