"""Where windows begin and end: side by side in time, or by so many rows."""

from __future__ import annotations

import re
from typing import Protocol

from everloop.durations import milliseconds, seconds
from everloop.errors import invalid
from everloop.monitor.log import PredictionLog

DAY = 86_400_000

_ROWS = re.compile(r"(\d[\d_,]*) rows?")


def rows_of(window: str) -> int | None:
    """The number in ``1000 rows``; None for a length of time."""
    match = _ROWS.fullmatch(window.strip())
    return None if match is None else int(match[1].replace(",", "").replace("_", ""))


def clock_width(window: str) -> int:
    """How long a window is by the clock, ms: a day where windows are of rows."""
    return milliseconds("1d" if rows_of(window) is not None else window, "monitor.window")


def check_window(window: str) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for what is neither a time nor rows."""
    rows = rows_of(window)
    if rows is None:
        seconds(window, "monitor.window")
    elif rows < 1:
        raise invalid("monitor.window", window, "1 row or more")


class Spans(Protocol):
    """How one window follows another."""

    def first(self, at: int) -> int:
        """The start of the first window, of a log that begins ``at`` (ms)."""

    def next(self, start: int, seen: int) -> tuple[int, int] | None:
        """The first window that begins at or after ``start``, has rows and was over when
        ``seen``; None when there is none yet."""


def spans(log: PredictionLog, endpoint: str, window: str) -> Spans:
    """The windows of an endpoint's log, as ``[monitor] window`` says."""
    rows = rows_of(window)
    if rows is not None:
        return ByRows(log, endpoint, rows)
    return ByTime(log, endpoint, milliseconds(window, "monitor.window"))


class ByTime:
    """Windows of one length, from midnight UTC if they are of a day or more."""

    def __init__(self, log: PredictionLog, endpoint: str, width: int) -> None:
        self.log, self.endpoint, self.width = log, endpoint, width

    def first(self, at: int) -> int:
        unit = DAY if self.width >= DAY else self.width
        return at // unit * unit

    def next(self, start: int, seen: int) -> tuple[int, int] | None:
        while start + self.width <= seen:
            following = self.log.next_time(self.endpoint, start)
            if following is None:
                return None
            if following < start + self.width:
                return start, start + self.width
            start += (following - start) // self.width * self.width
        return None


class ByRows:
    """Windows that end with their ``rows``-th row; rows of the same millisecond stay together."""

    def __init__(self, log: PredictionLog, endpoint: str, rows: int) -> None:
        self.log, self.endpoint, self.rows = log, endpoint, rows

    def first(self, at: int) -> int:
        return at

    def next(self, start: int, seen: int) -> tuple[int, int] | None:
        last = self.log.time_of_row(self.endpoint, start, self.rows)
        if last is None or last >= seen:
            return None
        return start, last + 1
