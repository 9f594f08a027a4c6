"""The range that values are expected in, from those that were seen."""

from __future__ import annotations

SLACK = 0.5  # of the range seen, beyond each end


def with_room(low: float, high: float) -> tuple[float, float]:
    """The values seen with room at both ends; what was never negative stays so.

    >>> with_room(10.0, 20.0)
    (5.0, 25.0)
    """
    room = SLACK * (high - low) if high > low else max(1.0, abs(high))
    return (max(0.0, low - room) if low >= 0 else low - room, high + room)
