"""Which windows of an endpoint wait to be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from everloop.monitor.log import PredictionLog
from everloop.monitor.log_parts import Extent
from everloop.monitor.spans import spans
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Window, WindowStore

LATE_WINDOWS = 8  # how far back late rows are looked for
AGAIN, FULL = 4, 0.95  # so many windows are scored again while fewer labels than this have come


class Agenda:
    """What is over, what got rows or labels since; it asks the store, and changes nothing.

    ``extent`` is the log's and ``seen`` the present, both in event time (ms); ``digest`` that of
    the reference, without which no window can be looked at, but labels of known ones still come.
    """

    def __init__(
        self,
        log: PredictionLog,
        windows: WindowStore,
        endpoint: str,
        spec: MonitorSpec,
        digest: str | None,
        extent: Extent,
        seen: int,
    ) -> None:
        self.log, self.windows, self.endpoint = log, windows, endpoint
        self.digest, self.extent, self.seen = digest, extent, seen
        self.scored = spec.performance is not None
        self.spans = spans(log, endpoint, spec.window)
        self.latest = windows.latest(endpoint)

    def anything(self) -> bool:
        """Whether there is any of it."""
        return bool(
            next(self.over(), None) or next(self.late(), None) or next(self.missed(), None)
            or self.due() or self.uncounted()
        )  # fmt: skip

    def over(self) -> Iterator[tuple[int, int]]:
        """Windows that are over and were never looked at, oldest first."""
        if self.digest is None:
            return
        start = self.latest.end if self.latest else self.spans.first(self.extent.first)
        while (span := self.spans.next(start, self.seen)) is not None:
            yield span
            start = span[1]

    def late(self) -> Iterator[Window]:
        """Recent windows that got rows after they were closed, oldest first.

        Against another champion's reference a window would be compared with itself.
        """
        if not self._may_be_late():
            return
        for window in reversed(self.windows.page(self.endpoint, limit=LATE_WINDOWS)):
            newest = self.log.newest_part(self.endpoint, window.start, window.end)
            if window.checks["reference"] == self.digest and newest > window.checks["part"]:
                yield window

    def missed(self) -> Iterator[tuple[int, int]]:
        """Windows between recent ones that had no rows when their time was over, and have now."""
        if not self._may_be_late():
            return
        known = self.windows.page(self.endpoint, limit=LATE_WINDOWS)[::-1]
        for before, after in pairwise(known):
            start = before.end
            if start >= after.start:
                continue
            newest = self.log.newest_part(self.endpoint, start, after.start)
            if newest <= after.checks["part"]:
                continue  # what lies there was there before, such as requests that failed
            while (span := self.spans.next(start, after.start)) is not None:
                yield span
                start = span[1]

    def _may_be_late(self) -> bool:
        if self.digest is None or self.latest is None:
            return False
        return bool(self.latest.checks["part"] < self.extent.parts)

    def due(self) -> list[int]:
        """Starts of windows whose labels are due, oldest first.

        Each was closed with what its answers are held against, whoever is the champion now.
        """
        if not self.scored:
            return []
        labels = self.extent.feedback_parts
        return self.windows.unmeasured(self.endpoint, self.seen, labels, AGAIN, FULL)

    def uncounted(self) -> list[int]:
        """Starts of windows that nothing scores, some of whose labels have come; oldest first."""
        if not self.extent.feedback_parts:
            return []
        return self.windows.uncounted(self.endpoint, self.extent.feedback_parts, AGAIN, FULL)
