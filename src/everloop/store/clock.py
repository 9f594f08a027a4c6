"""The one clock: whole milliseconds since 1970 UTC, as every time in everloop is stored.

A backtest lives in the time of its stream: inside :func:`simulated` the present is what it was last
set to, and goes on from there as fast as ever, so that what lasts still lasts as long as it does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_ahead = 0  # ms by which the present is ahead of the machine's clock, in all threads


def now_ms() -> int:
    """The present, in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000 + _ahead


class SimulatedClock:
    """The present as somebody sets it; after the first time it only moves forward."""

    def __init__(self) -> None:
        self._set = False

    def set(self, at: int) -> None:
        """Make it ``at`` (ms), unless it is later already."""
        global _ahead
        if self._set and now_ms() >= at:
            return
        _ahead += at - now_ms()
        self._set = True


@contextmanager
def simulated() -> Iterator[SimulatedClock]:
    """Let this process live in another time, until the block ends."""
    global _ahead
    before = _ahead
    try:
        yield SimulatedClock()
    finally:
        _ahead = before
