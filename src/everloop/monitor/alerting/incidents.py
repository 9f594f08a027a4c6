"""One thing that goes on: from its first alert until it has been away for some windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from everloop.errors import NotFound
from everloop.monitor.alerting.notice import Item, Severity
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore
from everloop.store.tables import alert_incidents, alerts

MOST = 1000
_I = alert_incidents.c


class Telling(msgspec.Struct, frozen=True):
    """What a rule has told of an incident: in which group, as how severe, and its end."""

    key: str
    severity: Severity
    ended: bool = False


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """``since`` and ``last`` are starts of windows, ``windows`` the most in a row; times in ms UTC.

    ``cycles`` are those that its alerts led to.
    """

    id: str
    endpoint: str
    kind: str
    feature: str | None
    segment: str | None
    severity: Severity
    summary: str
    since: int
    last: int
    windows: int
    state: Literal["open", "resolved"]
    told: dict[str, Telling]
    settled: bool
    opened: int
    resolved: int | None
    cycles: list[str] = []

    @property
    def subject(self) -> tuple[str, str | None, str | None]:
        """What it is about; at most one incident of an endpoint about the same is open."""
        return (self.kind, self.feature, self.segment)

    def item(self, outcome: str = "") -> Item:
        """As a notice tells it, with how the cycle ended that it led to."""
        names = [name for name in Item.__struct_fields__ if name != "outcome"]
        return Item(**{name: getattr(self, name) for name in names}, outcome=outcome)


class IncidentStore:
    """Incidents in the database; who writes opens the transaction."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def get(self, id: str) -> Incident:
        """By its id, or the beginning of it. Raises :class:`~everloop.errors.NotFound`."""
        if id.isalnum():
            found = self._read(sa.select(alert_incidents).where(_I.id.startswith(id)).limit(2))
            if len(found) == 1:
                return found[0]
        raise NotFound(
            f"alert: there is no {id[:64]!r}.", code="no_alert", path="alert", got=id[:64]
        )

    def page(
        self,
        endpoint: str | None = None,
        state: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[Incident]:
        """Newest first; ``before`` is the ``(opened, id)`` of the last one of the page before."""
        query = sa.select(alert_incidents).order_by(_I.opened.desc(), _I.id)
        if endpoint is not None:
            query = query.where(_I.endpoint == endpoint)
        if state is not None:
            query = query.where(_I.state == state)
        if before is not None:
            opened, key = before
            query = query.where((_I.opened < opened) | ((_I.opened == opened) & (_I.id > key)))
        return self._read(query.limit(max(1, min(limit, MOST))))

    def counted(self) -> dict[tuple[str, str, str], int]:
        """How many are open, by endpoint, kind and severity."""
        by = (_I.endpoint, _I.kind, _I.severity)
        query = sa.select(*by, sa.func.count()).where(_I.state == "open").group_by(*by)
        with self.db.read() as conn:
            return {(row[0], row[1], row[2]): row[3] for row in conn.execute(query)}

    def unsettled(self, conn: sa.Connection, endpoint: str) -> list[Incident]:
        """Those that are open, or whose end is still to be told; the oldest first."""
        query = sa.select(alert_incidents).where(~_I.settled, _I.endpoint == endpoint)
        return [_incident(row) for row in conn.execute(query.order_by(_I.opened, _I.id))]

    def anything(self, endpoint: str) -> bool:
        """Whether there is anything to look after, or an alert that belongs to none yet."""
        new = sa.select(alerts.c.id).where(
            alerts.c.incident.is_(None), alerts.c.endpoint == endpoint
        )
        old = sa.select(_I.id).where(~_I.settled, _I.endpoint == endpoint)
        with self.db.read() as conn:
            return any(conn.execute(query.limit(1)).first() for query in (new, old))

    @staticmethod
    def save(conn: sa.Connection, incident: Incident) -> None:
        values = {
            name: getattr(incident, name) for name in Incident.__struct_fields__ if name != "cycles"
        }
        values["told"] = msgspec.json.encode(incident.told).decode()
        added = conn.execute(insert_or_ignore(alert_incidents).values(values).returning(_I.id))
        if added.first() is None:
            conn.execute(sa.update(alert_incidents).where(_I.id == incident.id).values(values))

    def _read(self, query: sa.Select[Any]) -> list[Incident]:
        with self.db.read() as conn:
            found = [_incident(row) for row in conn.execute(query)]
            cycles = cycles_of(conn, [one.id for one in found])
        return [msgspec.structs.replace(one, cycles=cycles.get(one.id, [])) for one in found]


def cycles_of(conn: sa.Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    query = (
        sa.select(alerts.c.incident, alerts.c.cycle)
        .where(alerts.c.incident.in_(ids), alerts.c.cycle.is_not(None))
        .order_by(alerts.c.window)
    )
    found: dict[str, list[str]] = {}
    for row in conn.execute(query):
        known = found.setdefault(row.incident, [])
        if row.cycle not in known:
            known.append(row.cycle)
    return found


def _incident(row: sa.Row[Any]) -> Incident:
    told = msgspec.json.decode(row.told, type=dict[str, Telling])
    return Incident(**dict(row._mapping) | {"told": told})
