"""Which rows a new fit learns from, and how much each counts: ``update.window``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.durations import milliseconds
from everloop.errors import InvalidInput, invalid
from everloop.update.changes import changes

FORMS = ("all", "newest 90d", "newest 50000 rows", "decay 30d", "change")
LEAST_ROWS = 200  # that a fit is worth trying on
_ROWS = re.compile(r"^newest (\d+) rows$")
_SPAN = re.compile(r"^(newest|decay) (\S+)$")


class Window(msgspec.Struct, frozen=True):
    """One form of the setting. ``amount`` is in ms or rows."""

    text: str
    kind: Literal["all", "newest", "rows", "decay", "change"]
    amount: int = 0


@dataclass(frozen=True)
class Part:
    """The rows of a window.

    Attributes
    ----------
    rows : their numbers, in order; None where all are.
    weights : one for each of these rows, mean 1; None where all count alike.
    since : event time (ms) from which rows are taken; None where it is not by time.
    note : one sentence about what was taken.
    """

    rows: NDArray[np.intp] | None = None
    weights: NDArray[np.float64] | None = None
    since: int | None = None
    note: str = ""


def parse_window(text: str) -> Window:
    """What ``update.window`` asks for.

    Raises :class:`~everloop.errors.InvalidInput` when it has none of :data:`FORMS`.
    """
    if text in ("all", "change"):
        return Window(text, text)  # type: ignore[arg-type]
    try:
        if (match := _ROWS.match(text)) and int(match[1]) > 0:
            return Window(text, "rows", int(match[1]))
        if match := _SPAN.match(text):
            span = milliseconds(match[2])
            if span > 0:
                return Window(text, "newest" if match[1] == "newest" else "decay", span)
    except InvalidInput:
        pass
    wanted = "one of " + ", ".join(f'"{form}"' for form in FORMS)
    raise invalid("update.window", text, wanted, code="unknown_window")


def windowed(
    window: Window, times: NDArray[np.int64] | None, rows: int, since: int | None = None
) -> Part:
    """The rows of ``window`` among n rows.

    ``times`` are ms, in any order; None where rows have none. ``since`` is where the window begins
    where that was found among more rows than these: for ``change`` None says that nothing changed,
    and where too few of these rows are younger, the rows before them train too.

    Raises :class:`~everloop.errors.InvalidInput` where rows have no time, or too few are left.
    """
    if window.kind == "all" or (window.kind == "change" and since is None):
        found = " no change was found:" if window.kind == "change" else ""
        return Part(note=f'window "{window.text}":{found} all {rows:,} rows train')
    if times is None:
        raise invalid(
            "update.window", window.text, '"all", as nothing says how old a row is',
            fix="data.time names the column that does.",
        )  # fmt: skip
    if window.kind == "decay":
        return _decayed(window, times)
    newest = int(times.max())
    if window.kind == "rows" and since is None:
        chosen = _newest(times, window.amount)
    else:
        start = newest - window.amount if since is None else since
        chosen = np.flatnonzero(times >= start)
    if (
        window.kind == "change" and len(chosen) < LEAST_ROWS
    ):  # some of its rows judge, and not train
        chosen = _newest(times, LEAST_ROWS)
    if len(chosen) < min(LEAST_ROWS, rows):
        wanted = f"a window with {LEAST_ROWS} training rows or more; it has {len(chosen)}"
        raise invalid("update.window", window.text, wanted, fix="Widen it.")
    first = int(times[chosen].min())
    note = f'window "{window.text}": {len(chosen):,} of {rows:,} rows train, from {day(first)} on'
    return Part(rows=chosen, since=first, note=note)


def change_start(losses: NDArray[np.float64], times: NDArray[np.int64]) -> int | None:
    """The event time from which the newest stretch of losses has its level; None without a change.

    A stretch too short to learn from is joined to the one before it. ``losses`` of rows that the
    model was not asked about are NaN.
    """
    known = np.flatnonzero(np.isfinite(losses))
    known = known[np.argsort(times[known], kind="stable")]
    for first in reversed(changes(losses[known])):
        if len(known) - first >= LEAST_ROWS:
            return int(times[known[first]])
    return None


def _newest(times: NDArray[np.int64], rows: int) -> NDArray[np.intp]:
    return np.sort(np.argsort(times, kind="stable")[-rows:])


def _decayed(window: Window, times: NDArray[np.int64]) -> Part:
    """``weight = 2^(-age / half-life)``, the newest row of age 0."""
    weights = np.exp2((times - times.max()) / window.amount)
    worth = float(weights.sum()) ** 2 / float((weights**2).sum())
    note = (
        f'window "{window.text}": all {len(times):,} rows train, a row counts half as much with '
        f"every {window.text.removeprefix('decay ')} of age; together they weigh as {worth:,.0f} do"
    )
    return Part(weights=weights / weights.mean(), note=note)


def day(ms: int) -> str:
    """A time as people write it."""
    text = datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")
    return text.removesuffix(" 00:00")
