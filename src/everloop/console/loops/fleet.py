"""All loops in a word each: what they are like and what they ask, by a few queries in all.

However many loops there are, this is one handful of narrow queries; what a card shows beyond it is
read for the loops of one page alone (:mod:`everloop.console.loops.overview`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from everloop.console.endpoints.traffic import Traffic
from everloop.loop.declaration import Declaration
from everloop.loop.pausing import EVERY
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.store.tables import (
    cycles,
    endpoints,
    health_windows,
    loop_pauses,
    model_aliases,
    rollouts,
    windows,
)
from everloop.update.situation import Paused

State = Literal["waits", "failed", "worse", "updating", "paused", "no_model", "no_traffic", "well"]
STATES: tuple[State, ...] = (
    "waits", "failed", "worse", "updating", "paused", "no_model", "no_traffic", "well",
)  # fmt: skip
"""What a loop is like, in one word; in the order in which they want to be seen."""

QUIET_MS = 86_400_000  # without a prediction for so long, an endpoint has no traffic
WORSE = ("performance", "estimate")  # kinds of alerts that say so


class Head(msgspec.Struct, frozen=True):
    """The newest cycle of a loop, in short."""

    id: str
    number: int
    state: str
    verdict: str | None
    version: int | None
    started: int
    finished: int | None


class Ask(msgspec.Struct, frozen=True):
    """Something that waits for a person, and where it is done."""

    text: str
    href: str


class Brief(msgspec.Struct, frozen=True):
    """One loop in a word. ``alerts`` counts those that are open, ``critical`` those among them."""

    loop: str
    endpoint: str
    state: State
    asks: list[Ask]
    cycle: Head | None
    champion: int | None
    challenger: int | None
    paused: Paused | None
    alerts: int
    critical: int

    @property
    def key(self) -> tuple[int, str]:
        """Where it stands in the list: those that ask for something first."""
        return STATES.index(self.state), self.loop


def read_fleet(
    project: Project, declared: list[Declaration], traffic: Mapping[str, Traffic]
) -> list[Brief]:
    """Every loop of ``declared``, those that ask for something first."""
    facts = _Facts(project, traffic)
    return sorted((facts.brief(one) for one in declared), key=lambda brief: brief.key)


class _Facts:
    """What is known of all loops and endpoints, each by one query."""

    def __init__(self, project: Project, traffic: Mapping[str, Traffic]) -> None:
        self.traffic = traffic
        self.incidents = project.alerts.incidents.counted()
        since = now_ms() - QUIET_MS
        self.grown = project.log.grown(since)
        with project.db.read() as conn:
            self.heads = {row.loop: row for row in conn.execute(_HEADS)}
            self.pauses = {row.loop: row for row in conn.execute(sa.select(loop_pauses))}
            self.aliases = {(row.model, row.alias): row.version for row in conn.execute(_ALIASES)}
            self.newest = {row.endpoint: row for row in conn.execute(_NEWEST)}
            self.held_up = set(conn.scalars(_HELD_UP))
            self.asked = {row.endpoint for row in conn.execute(_ASKED) if row.start >= since}

    def brief(self, declared: Declaration) -> Brief:
        name, endpoint = declared.name, declared.endpoint
        row = self.heads.get(name)
        head = None if row is None else msgspec.convert(row, Head, from_attributes=True)
        asks = self._asks(endpoint, head)
        mine = {key[1:]: count for key, count in self.incidents.items() if key[0] == endpoint}
        paused = self._paused(name)
        champion = self.aliases.get((name, "champion"))
        return Brief(
            loop=name,
            endpoint=endpoint,
            state=self._state(endpoint, head, asks, {kind for kind, _ in mine}, paused, champion),
            asks=asks,
            cycle=head,
            champion=champion,
            challenger=self.aliases.get((name, "challenger")),
            paused=paused,
            alerts=sum(mine.values()),
            critical=sum(count for (_, severity), count in mine.items() if severity == "critical"),
        )

    def _asks(self, endpoint: str, head: Head | None) -> list[Ask]:
        asks, there = [], f"/endpoints/{quote(endpoint, safe='')}"
        if head is not None and head.state == "waiting":
            asks.append(Ask(f"Cycle {head.number} waits for people", f"/cycles/{head.id}/decision"))
        window = self.newest.get(endpoint)
        if window is not None and window.quarantined:
            said = "The newest window is in quarantine: mend its source, or release it"
            asks.append(Ask(said, f"{there}/windows/{window.start}"))
        if endpoint in self.held_up:
            asks.append(Ask("A person has paused its rollout", there))
        return asks

    def _paused(self, loop: str) -> Paused | None:
        row = self.pauses.get(loop) or self.pauses.get(EVERY)
        return None if row is None else Paused(row.actor, row.since, row.reason, row.loop == EVERY)

    def _state(
        self,
        endpoint: str,
        head: Head | None,
        asks: list[Ask],
        alarms: set[str],
        paused: Paused | None,
        champion: int | None,
    ) -> State:
        holds: dict[State, bool] = {
            "waits": bool(asks),
            "failed": head is not None and head.verdict == "failed",
            "worse": not alarms.isdisjoint(WORSE),
            "updating": head is not None and head.finished is None,
            "paused": paused is not None,
            "no_model": champion is None,
            "no_traffic": self._silent(endpoint),
        }
        return next((state for state in STATES if holds.get(state)), "well")

    def _silent(self, endpoint: str) -> bool:
        """Whether nothing was asked of late: by the log, by its health, and by what counts now."""
        if endpoint in self.grown or endpoint in self.asked:
            return False
        counted = self.traffic.get(endpoint)
        roles = [] if counted is None else counted.versions.values()
        return not any(counts.get("requests") for role in roles for counts in role.values())


_LAST = sa.select(cycles.c.loop, sa.func.max(cycles.c.number)).group_by(cycles.c.loop)
_HEADS = sa.select(cycles.c.loop, *(cycles.c[name] for name in Head.__struct_fields__)).where(
    sa.tuple_(cycles.c.loop, cycles.c.number).in_(_LAST)
)
_ALIASES = sa.select(model_aliases).where(model_aliases.c.alias.in_(("champion", "challenger")))
_HELD_UP = sa.select(rollouts.c.endpoint).where(rollouts.c.state == "paused")


def _newest(table: sa.Table, *columns: sa.ColumnElement[object]) -> sa.Select[object]:
    """The newest row of each endpoint: one look at an index each, not a look at every row."""
    other = table.alias()
    last = sa.select(sa.func.max(other.c.start)).where(other.c.endpoint == endpoints.c.name)
    here = (table.c.endpoint == endpoints.c.name) & (table.c.start == last.scalar_subquery())
    return sa.select(table.c.endpoint, *columns).join_from(endpoints, table, here)


_NEWEST = _newest(windows, windows.c.start, windows.c.quarantined)
_ASKED = _newest(health_windows, health_windows.c.start)
