"""What a channel is given to tell, the same for all of them; it holds no secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One incident of a notice; ``since`` and ``last`` are starts of windows, ms UTC."""

    id: str
    kind: str
    feature: str | None
    segment: str | None
    severity: Severity
    summary: str
    since: int
    last: int


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A group of incidents that a rule tells as one.

    ``key`` is the same for all that is told of a group; ``at`` is by the clock, ms UTC.
    """

    key: str
    state: Literal["firing", "resolved", "test"]
    endpoint: str
    rule: str
    severity: Severity
    at: int
    items: list[Item]

    @property
    def title(self) -> str:
        """One line."""
        if self.state == "test":
            return f"everloop: a test of endpoint {self.endpoint}'s alerts"
        first = self.items[0].summary
        more = f" (and {len(self.items) - 1} more)" if len(self.items) > 1 else ""
        word = self.severity if self.state == "firing" else "resolved"
        return f"[{word}] {self.endpoint}: {first}{more}"

    @property
    def lines(self) -> list[str]:
        """A line for each incident."""
        return [
            f"{item.kind}{f' {item.feature}' if item.feature else ''}: {item.summary} "
            f"(since {moment(item.since)})"
            for item in self.items
        ]


def moment(ms: int) -> str:
    """A point in time for people: ``2013-01-01 00:00 UTC``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
