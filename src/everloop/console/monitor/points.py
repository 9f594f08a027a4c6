"""The score of each window of many endpoints at once, without the bulk of what windows hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.database import Database
from everloop.store.tables import windows

_W = windows.c
NARROW = (_W.endpoint, _W.start, _W.end, _W.rows, _W.labelled, _W.quarantined, _W.performance)


class Point(msgspec.Struct, frozen=True):
    """The score of one window, with its interval and what the test had promised.

    ``value`` is None until labels come; ``expected`` (with an interval of its own) is what was
    expected without them, and ``doubtful`` whether that is worse than tested.
    """

    start: int
    end: int
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    worse: bool
    expected: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    doubtful: bool = False


class Seen(msgspec.Struct, frozen=True):
    """One window that was looked at: what came in, how much has its label, and its score."""

    start: int
    end: int
    rows: int
    labelled: int
    quarantined: bool
    point: Point | None


class _Value(msgspec.Struct, frozen=True):
    value: float | None = None
    low: float | None = None
    high: float | None = None
    metric: str | None = None


class _Expected(msgspec.Struct, frozen=True):
    metric: str | None = None
    metrics: dict[str, _Value] = {}
    worse: bool = False


class _Performance(msgspec.Struct, frozen=True):
    """What a line of a chart needs of a window's performance; the rest is not decoded."""

    state: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    tested: float | None = None
    worse: bool = False
    baseline: _Value = _Value()
    expected: _Expected | None = None


_DECODER = msgspec.json.Decoder(_Performance)


def newest_windows(db: Database, endpoints: Collection[str], limit: int) -> dict[str, list[Seen]]:
    """The newest ``limit`` windows of each endpoint, oldest first, by one query."""
    found: dict[str, list[Seen]] = {name: [] for name in endpoints}
    if not found:
        return found
    query = sa.select(*NARROW).where(sa.or_(*(_newest(name, limit) for name in found)))
    with db.read() as conn:
        for row in conn.execute(query.order_by(_W.endpoint, _W.start)):
            found[row.endpoint].append(seen_of(row))
    return found


def _newest(endpoint: str, limit: int) -> sa.ColumnElement[bool]:
    other = windows.alias()
    last = sa.select(other.c.start).where(other.c.endpoint == endpoint)
    last = last.order_by(other.c.start.desc()).limit(1).offset(limit - 1)
    floor = sa.func.coalesce(last.scalar_subquery(), -(2**62))
    return (_W.endpoint == endpoint) & (_W.start >= floor)


def seen_of(row: Any) -> Seen:
    """A row with the columns :data:`NARROW`."""
    point = None if row.performance is None else _point(row, _DECODER.decode(row.performance))
    return Seen(row.start, row.end, row.rows, row.labelled, row.quarantined, point)


def _point(row: Any, found: _Performance) -> Point | None:
    """The window's score; scores are kept so that greater is better, an error shows as itself."""
    guess = found.expected.metrics.get(found.expected.metric or "") if found.expected else None
    if found.value is None and guess is None:
        return None
    tested = found.tested if found.value is not None else found.baseline.value
    low, high = _sides(found.low, found.high)
    guess_low, guess_high = (None, None) if guess is None else (guess.low, guess.high)
    return Point(
        start=row.start,
        end=row.end,
        value=None if found.value is None else abs(found.value),
        low=low,
        high=high,
        baseline=None if tested is None else abs(tested),
        worse=found.worse,
        expected=None if guess is None else guess.value,
        expected_low=guess_low,
        expected_high=guess_high,
        doubtful=found.state == "waiting" and bool(found.expected and found.expected.worse),
    )


def _sides(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    if low is None or high is None:
        return None, None
    first, last = sorted((abs(low), abs(high)))
    return first, last
