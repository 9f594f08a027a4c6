"""Round ticks and their words for chart axes."""

from __future__ import annotations

import math
from datetime import UTC, datetime

DAY_MS = 86_400_000.0
_MINUTE, _HOUR = 60_000.0, 3_600_000.0
# Steps of a time axis, in milliseconds.
TIME_STEPS = [
    *(n * _MINUTE for n in (1, 5, 15, 30)),
    *(n * _HOUR for n in (1, 3, 6, 12)),
    *(n * DAY_MS for n in (1, 2, 7, 14)),
]


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers from below ``low`` to above ``high`` (1, 2, 5 times 10ⁿ apart).

    >>> round_ticks(0.61, 0.69, 4)
    [0.6, 0.62, 0.64, 0.66, 0.68, 0.7]
    """
    span = (high - low) or abs(high) or 1.0
    step = _round_step(span / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def inner_ticks(low: float, high: float, count: int = 8) -> list[float]:
    """Round numbers between ``low`` and ``high``, both included."""
    margin = 1e-9 * (abs(high) + 1.0)
    return [t for t in round_ticks(low, high, count) if low - margin <= t <= high + margin]


def time_ticks(low: float, high: float, count: int = 7) -> list[float]:
    """Times (ms) between ``low`` and ``high`` on whole minutes, hours, days or months (UTC)."""
    wanted = (high - low) / count
    step = next((s for s in TIME_STEPS if s >= wanted), None)
    if step is None:
        return _months(low, high, wanted / (30 * DAY_MS))
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def _months(low: float, high: float, wanted: float) -> list[float]:
    """First days of every n-th month; ``wanted`` is the least n."""
    step = next((n for n in (1, 2, 3, 6, 12) if n >= wanted), 12 * math.ceil(wanted / 12))
    start = datetime.fromtimestamp(low / 1000, UTC)
    month = start.year * 12
    out: list[float] = []
    while True:
        at = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000
        if at > high:
            return out
        if at >= low:
            out.append(at)
        month += step


def time_label(value: float, span: float) -> str:
    """A time (ms) as short as its axis allows, in UTC."""
    bounds = ((DAY_MS, "%H:%M"), (6 * DAY_MS, "%d %b %H:%M"), (400 * DAY_MS, "%d %b"))
    form = next((form for bound, form in bounds if span < bound), "%b %Y")
    return datetime.fromtimestamp(value / 1000, UTC).strftime(form)


def number_label(value: float, step: float) -> str:
    """A tick's number with as many digits as its neighbours need."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 2
    return f"{value:,.{digits}f}"


def _round_step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    factor: float = next(f for f in (1.0, 2.0, 5.0, 10.0) if f * size >= rough * (1 - 1e-9))
    return factor * size
