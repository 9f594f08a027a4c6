"""Two rankers in one list: team-draft interleaving.

In each round the two pick in an order of chance, each the row that it ranks highest of those that
are left. What callers then choose (a label above 0) counts for the version whose row it was, so
both are judged by the same callers and the same requests. The chance is a hash of the caller's
key, so a list can be made again from the log.

F. Radlinski, M. Kurup, T. Joachims, "How does clickthrough data reflect retrieval quality?",
CIKM (2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple


class Draft(NamedTuple):
    """``order`` : rows, the first one shown first. ``mine`` : whether the first team picked it."""

    order: list[int]
    mine: list[bool]

    def scores(self) -> list[float]:
        """A score for each row of the request, so that sorting by it gives the order."""
        found = [0.0] * len(self.order)
        for place, row in enumerate(self.order):
            found[row] = float(len(self.order) - place)
        return found


def draft(mine: Sequence[float], other: Sequence[float], key: str) -> Draft:
    """Let two rankings of the same rows pick in turn.

    >>> drafted = draft([3.0, 2.0, 1.0], [3.0, 2.0, 1.0], "a")
    >>> drafted.order, len(drafted.mine)
    ([0, 1, 2], 3)
    """
    rows = range(len(mine))
    wanted = [iter(sorted(rows, key=lambda row: -scores[row])) for scores in (mine, other)]
    order: list[int] = []
    teams: list[bool] = []
    taken: set[int] = set()
    while len(order) < len(mine):
        first = _coin(key, len(order) // 2)
        for team in (first, 1 - first):
            pick = next((row for row in wanted[team] if row not in taken), None)
            if pick is not None:
                taken.add(pick)
                order.append(pick)
                teams.append(team == 0)
    return Draft(order, teams)


def chosen(values: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    """The values of some rows."""
    return [values[row] for row in rows]


def _coin(key: str, turn: int) -> int:
    text = f"{key}\0{turn}".encode("utf-8", "surrogateescape")
    return blake2b(text, digest_size=1).digest()[0] & 1
