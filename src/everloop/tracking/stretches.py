"""Stretches of one curve: their least and greatest points, found by the database.

A place is ``(at, step)``, where a point lies; a range is the first and the last place in it, both
included. The statements read one index in its order and answer with a row for each range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from everloop.store.dialect import extreme_row, given_lists
from everloop.tracking.points import LARGEST

Axis = Literal["step", "time", "relative"]
Place = tuple[int, int]
Range = tuple[Place, Place]
LOWEST, HIGHEST = -(2**63), 2**63 - 1

_FINITE = f"NOT nan AND value > {-LARGEST!r} AND value < {LARGEST!r}"
_GAP = f"(nan OR value <= {-LARGEST!r} OR value >= {LARGEST!r})"
_MOMENTS = "at >= a0 AND at <= a1"
_BETWEEN = "(at, step) >= (a0, s0) AND (at, step) <= (a1, s1)"


class Part(NamedTuple):
    """A curve, and which part of it: where ``axis`` is from ``low`` to ``high``; None is open."""

    run: int
    key: str
    axis: Axis
    low: int | None
    high: int | None

    @property
    def points(self) -> str:
        """What its points are selected from; more conditions may follow."""
        column = "step" if self.axis == "step" else "at"
        bounds = "" if self.low is None else f" AND {column} >= :low"
        bounds += "" if self.high is None else f" AND {column} <= :high"
        return f"FROM metric_points WHERE run = :run AND key = :key{bounds}"


@dataclass(frozen=True)
class Stretch:
    """What lies ``within`` a range.

    ``count`` says how many points there are and ``gaps`` how many of them are not finite; ``low``
    and ``high`` are the places of the least and the greatest of the others, if there are any.
    """

    within: Range
    count: int
    gaps: int
    low: Place | None
    high: Place | None


def cut(whole: Range, parts: int) -> list[Range]:
    """A range in about ``parts`` of equal length: in time, or in steps of a single moment.

    >>> cut(((0, 5), (9, 7)), 2) == [((0, LOWEST), (4, HIGHEST)), ((5, LOWEST), (9, HIGHEST))]
    True
    >>> cut(((3, 0), (3, 9)), 2)
    [((3, 0), (3, 4)), ((3, 5), (3, 9))]
    """
    (at, step), (last_at, last_step) = whole
    alone = at == last_at
    first, last = (step, last_step) if alone else (at, last_at)
    parts = max(1, min(parts, last - first + 1))
    edges = [first + i * (last - first + 1) // parts for i in range(parts + 1)]
    pairs = list(pairwise(edges))
    if alone:
        return [((at, low), (at, high - 1)) for low, high in pairs]
    return [((low, LOWEST), (high - 1, HIGHEST)) for low, high in pairs]


def extremes(conn: sa.Connection, part: Part, ranges: Sequence[Range]) -> list[Stretch]:
    """What lies in each of the ranges."""
    here, dialect = f"{part.points} AND {_within(ranges)}", conn.dialect.name
    finite = f"{here} AND {_FINITE}"
    asked = (
        f"(SELECT count(*) {here})",
        extreme_row("value", "at, step", finite, dialect),
        extreme_row("value", "at, step", finite, dialect, greatest=True),
    )
    found = []
    for within, (count, low, high) in _ask(conn, part, ranges, asked):
        low, high = _list(low), _list(high)
        sound = low[2] if low else 0
        ends = ((low[0], low[1]), (high[0], high[1])) if sound else (None, None)
        found.append(Stretch(within, count, count - sound, *ends))
    return found


def _within(ranges: Sequence[Range]) -> str:
    """Whether a point lies in a given range; steps are looked at only where they matter."""
    whole = all(first[1] == LOWEST and last[1] == HIGHEST for first, last in ranges)
    return _MOMENTS if whole else _BETWEEN


def ends(conn: sa.Connection, part: Part, ranges: Sequence[Range]) -> list[Range]:
    """The first and the last place in each of the ranges, none of which may be empty."""
    here = f"{part.points} AND {_BETWEEN}"
    asked = [
        f"(SELECT {column} {here} ORDER BY at {way}, step {way} LIMIT 1)"
        for way in ("ASC", "DESC")
        for column in ("at", "step")
    ]
    return [((a, b), (c, d)) for _, (a, b, c, d) in _ask(conn, part, ranges, asked)]


def gaps(conn: sa.Connection, part: Part, ranges: Sequence[Range]) -> list[Place]:
    """The first place of a value that is not finite in each of the ranges, which all have one."""
    here = f"{part.points} AND {_BETWEEN} AND {_GAP} ORDER BY at, step LIMIT 1"
    asked = [f"(SELECT {column} {here})" for column in ("at", "step")]
    return [(at, step) for _, (at, step) in _ask(conn, part, ranges, asked)]


def values_at(
    conn: sa.Connection, part: Part, places: Iterable[Place]
) -> dict[Place, tuple[float, float]]:
    """The least and the greatest finite value at each of the places that have one."""
    given = given_lists("places", ("a0", "s0"), conn.dialect.name)
    query = sa.text(
        f"WITH given AS MATERIALIZED ({given}) SELECT p.at, p.step, p.value FROM given "
        "CROSS JOIN metric_points AS p WHERE p.run = :run AND p.key = :key "
        f"AND p.at = given.a0 AND p.step = given.s0 AND {_FINITE}"
    )
    values = {"run": part.run, "key": part.key, "places": _json(list(places))}
    found: dict[Place, tuple[float, float]] = {}
    for at, step, value in conn.execute(query, values):
        low, high = found.get((at, step), (value, value))
        found[at, step] = (min(low, value), max(high, value))
    return found


def _ask(
    conn: sa.Connection, part: Part, ranges: Sequence[Range], asked: Sequence[str]
) -> list[tuple[Range, Sequence[Any]]]:
    """Each range, and what the subqueries say of it."""
    given = given_lists("ranges", ("a0", "s0", "a1", "s1"), conn.dialect.name)
    query = sa.text(
        f"WITH given AS MATERIALIZED ({given}) SELECT i, {', '.join(asked)} FROM given ORDER BY i"
    )
    values = {"run": part.run, "key": part.key, "low": part.low, "high": part.high}
    known = {name: value for name, value in values.items() if value is not None}
    lists = _json([(*first, *last) for first, last in ranges])
    rows = conn.execute(query, known | {"ranges": lists})
    return [(ranges[index], row) for index, *row in rows]


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()


def _list(given: Any) -> Any:
    """A JSON value, which one driver gives as text and the other decoded."""
    return msgspec.json.decode(given) if isinstance(given, str) else given
