"""The one clock: whole milliseconds since 1970 UTC, as every time in everloop is stored."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The present, in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
