"""What a channel is given to tell, the same for all of them; it holds no secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
RANK: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


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
    outcome: str = ""  # how the cycle ended that it led to


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a cycle ended, or that it waits; ``act`` is a command, ``link`` its page.

    ``gain`` is the expected one, in the metric; ``realised`` what labels have shown since.
    ``reminder`` counts how often people were asked again.
    """

    cycle: str
    number: int
    verdict: str
    sentence: str
    gain: float | None
    realised: float | None
    act: str
    link: str
    reminder: int = 0

    @property
    def lines(self) -> list[str]:
        """What is told beside the sentence."""
        gains = [] if self.gain is None else [f"expected gain {self.gain:+.4f}"]
        gains += [] if self.realised is None else [f"realised {self.realised:+.4f}"]
        return [*([", ".join(gains)] if gains else []), f"{self.link} · {self.act}"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A group of incidents that a rule tells as one, or the end of a cycle.

    ``key`` is the same for all that is told of a group; ``at`` is by the clock, ms UTC. A
    ``verdict`` is told with the incidents that led to it.
    """

    key: str
    state: Literal["firing", "resolved", "verdict", "test"]
    endpoint: str
    rule: str
    severity: Severity
    at: int
    items: list[Item]
    ended: Ended | None = None

    @property
    def title(self) -> str:
        """One line."""
        if self.state == "test":
            return f"everloop: a test of endpoint {self.endpoint}'s alerts"
        if self.ended is not None:
            word = self.ended.verdict.replace("_", " ")
            return f"[{word}] {self.endpoint}, cycle {self.ended.number}: {self.ended.sentence}"
        first = max(self.items, key=lambda item: RANK[item.severity]).summary
        more = f" (and {len(self.items) - 1} more)" if len(self.items) > 1 else ""
        word = self.severity if self.state == "firing" else "resolved"
        return f"[{word}] {self.endpoint}: {first}{more}"

    @property
    def lines(self) -> list[str]:
        """A line for each incident, and what is to be said of a cycle."""
        told = [] if self.ended is None else self.ended.lines
        return [
            *told,
            *(
                f"{item.kind}{f' {item.feature}' if item.feature else ''}: {item.summary} "
                f"(since {moment(item.since)})" + (f"; {item.outcome}" if item.outcome else "")
                for item in self.items
            ),
        ]


def moment(ms: int) -> str:
    """A point in time for people: ``2013-01-01 00:00 UTC``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
