"""What is told of each request once its answer has left: to the counts, log lines and traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from everloop.deploy.serving.counts import Counts


class Seen(NamedTuple):
    """One request and its answer; nothing of what was asked or answered.

    ``route`` is the path as the protocol has it, with names in braces, or gRPC's method.
    ``version`` is 0 where no version answered. ``status`` is HTTP's. ``traceparent`` and
    ``tracestate`` are the caller's (W3C Trace Context), empty where it sent none.
    """

    method: str
    route: str
    request: str
    endpoint: str
    version: int
    status: int
    ms: float
    traceparent: str = ""
    tracestate: str = ""


Observer = Callable[[Seen], None]


class Watch:
    """Tells the counts, and each observer that is on, of every request."""

    def __init__(self, counts: Counts, observers: Sequence[Observer] = ()) -> None:
        self._counts = counts
        self._observers = tuple(observers)
        self.needed = bool(self._observers)  # whether anybody wants to know more than the counts

    def count(self, endpoint: str, version: int, status: int) -> None:
        """Where nothing but the counts is on."""
        self._counts.response(endpoint, version, status)

    def tell(self, seen: Seen) -> None:
        """A request has been answered."""
        self._counts.response(seen.endpoint, seen.version, seen.status)
        for observer in self._observers:
            observer(seen)
