"""The gain that labels showed after a promotion, beside the one that was expected."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from everloop.update.record import PastUpdate

REACH = 1.645  # standard errors to either side: 90 % intervals, as the probe's
WINDOWS = 10  # with rows, after which it is known


class Expected(msgspec.Struct, frozen=True):
    """The gain that spoke for an update, by the probe, or where there was none by the test."""

    source: Literal["probe", "test"]
    metric: str
    gain: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Standard error; the test's interval is one of 95 %."""
        return (self.high - self.low) / (2 * (REACH if self.source == "probe" else 1.96))


class MeasuredWindow(msgspec.Struct, frozen=True):
    """The gain in one window, by its start (ms), with its standard error."""

    start: int
    rows: int
    gain: float
    error: float


class Realised(msgspec.Struct, frozen=True):
    """What version ``version`` gains over ``replaced``, asked about the same labelled rows.

    ``windows`` are those that told something, ``looked`` the starts of all that were looked at:
    none is measured twice. ``over`` says that no more will be. ``note`` is why nothing is known.
    """

    version: int
    replaced: int
    metric: str
    expected: Expected | None = None
    windows: tuple[MeasuredWindow, ...] = ()
    looked: tuple[int, ...] = ()
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    over: bool = False
    note: str = ""

    @property
    def error(self) -> float:
        """Standard error of the gain; infinite while there is none."""
        if self.low is None or self.high is None:
            return math.inf
        return (self.high - self.low) / (2 * REACH)

    def sentence(self) -> str:
        """What came of it, in one sentence."""
        if self.gain is None or self.low is None or self.high is None:
            return f"Realised: {self.note or 'no labels have come yet'}."
        expected = f"; {self.expected.gain:+.4f} was expected" if self.expected else ""
        return (
            f"Realised: {self.gain:+.4f} ({self.low:+.4f} to {self.high:+.4f}) in {self.metric} "
            f"against version {self.replaced} on {self.rows:,} rows{expected}."
        )

    def past(self, cycle: int) -> PastUpdate | None:
        """As the next decision learns from it; only a probe's gains tell how probes err."""
        expected = self.expected
        if self.gain is None or expected is None or expected.source != "probe":
            return None
        if expected.metric != self.metric:
            return None
        return PastUpdate(cycle, self.metric, expected.gain, expected.error, self.gain, self.error)


def with_window(
    before: Realised, start: int, found: MeasuredWindow | None, note: str = ""
) -> Realised:
    """The record with one window more; None for a window that tells nothing, with a ``note``."""
    looked = (*before.looked, start)
    if found is None:
        return msgspec.structs.replace(before, looked=looked, note=note or before.note)
    windows = (*before.windows, found)
    rows = sum(window.rows for window in windows)
    gain = sum(window.rows * window.gain for window in windows) / rows
    error = _error(windows, gain, rows)
    return msgspec.structs.replace(
        before, windows=windows, looked=looked, gain=gain, low=gain - REACH * error,
        high=gain + REACH * error, rows=rows, over=len(windows) >= WINDOWS, note="",
    )  # fmt: skip


def _error(windows: tuple[MeasuredWindow, ...], gain: float, rows: int) -> float:
    """Of the mean over windows: what each is unsure of, or what they differ by if that is more."""
    within = math.sqrt(sum((window.rows * window.error) ** 2 for window in windows)) / rows
    if len(windows) < 3:
        return within
    apart = sum((window.rows * (window.gain - gain)) ** 2 for window in windows)
    between = math.sqrt(apart * len(windows) / (len(windows) - 1)) / rows
    return max(within, between)
