"""Silences: a person says for how long nobody is told of something, and why."""

from __future__ import annotations

import fnmatch
import uuid
from typing import Any, get_args

import msgspec
import sqlalchemy as sa

from everloop.durations import milliseconds, seconds
from everloop.errors import Conflict, NotFound, did_you_mean, invalid
from everloop.monitor.alerting.incidents import Incident
from everloop.monitor.windows import AlertKind
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import alert_silences
from everloop.store.texts import check_short

KINDS: tuple[str, ...] = get_args(AlertKind)
LONGEST = "366d"
COMMENT = 2000  # characters
_S = alert_silences.c


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents that match all three patterns are not told ``until`` then (ms UTC).

    ``ended`` is when a person took it back before.
    """

    id: str
    endpoint: str
    kind: str
    feature: str
    until: int
    actor: str
    comment: str
    created: int
    ended: int | None = None

    def active(self, now: int) -> bool:
        return self.ended is None and now < self.until

    def covers(self, incident: Incident) -> bool:
        """Whether it is about an incident."""
        return (
            fnmatch.fnmatchcase(incident.endpoint, self.endpoint)
            and fnmatch.fnmatchcase(incident.kind, self.kind)
            and fnmatch.fnmatchcase(incident.feature or "", self.feature)
        )


class SilenceStore:
    """Silences in the database; each change is an event in the same transaction."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    def add(
        self,
        duration: str,
        *,
        actor: str,
        comment: str,
        endpoint: str = "*",
        kind: str = "*",
        feature: str = "*",
    ) -> Silence:
        """Be silent from now on for ``duration``, as ``4h``. Raises InvalidInput."""
        if not 0 < seconds(duration, "duration") <= seconds(LONGEST):
            raise invalid("duration", duration, f'a duration above 0 and up to {LONGEST}, as "4h"')
        now = now_ms()
        if not comment.strip() or len(comment) > COMMENT:
            raise invalid("comment", comment, f"the reason, in 1 to {COMMENT} characters")
        for name, text in (("endpoint", endpoint), ("kind", kind), ("feature", feature)):
            check_short(name, text, 255 if name != "kind" else 32)
            if not text:
                raise invalid(name, text, 'a pattern such as "*"')
        if not fnmatch.filter(KINDS, kind):
            raise invalid(
                "kind", kind, "a pattern of " + ", ".join(KINDS),
                fix=did_you_mean(kind, KINDS),
            )  # fmt: skip
        made = Silence(
            id=uuid.uuid4().hex, endpoint=endpoint, kind=kind, feature=feature,
            until=now + milliseconds(duration), actor=actor, comment=comment.strip(), created=now,
        )  # fmt: skip
        with self.events.transaction() as conn:
            conn.execute(sa.insert(alert_silences), msgspec.structs.asdict(made))
            self._tell(conn, "silence.added", actor, made)
        return made

    def end(self, id: str, actor: str) -> Silence:
        """Take a silence back; what goes on is told again. Raises NotFound and Conflict."""
        now = now_ms()
        with self.events.transaction() as conn:
            found = _read(conn, sa.select(alert_silences).where(_S.id.startswith(id)).limit(2))
            if len(found) != 1 or not id.isalnum():
                raise NotFound(f"silence: there is no {id[:64]!r}.", path="silence", got=id[:64])
            (one,) = found
            if not one.active(now):
                raise Conflict(f"silence: {one.id[:8]} is over already.", code="silence_over")
            conn.execute(sa.update(alert_silences).where(_S.id == one.id).values(ended=now))
            ended = msgspec.structs.replace(one, ended=now)
            self._tell(conn, "silence.ended", actor, ended)
        return ended

    def page(self, limit: int = 100) -> list[Silence]:
        """Those that end last first, those that are over too."""
        query = sa.select(alert_silences).order_by(_S.until.desc(), _S.id).limit(limit)
        with self.db.read() as conn:
            return _read(conn, query)

    def active(self, now: int) -> list[Silence]:
        """Those that hold now."""
        query = sa.select(alert_silences).where(_S.until > now, _S.ended.is_(None))
        with self.db.read() as conn:
            return _read(conn, query)

    def _tell(self, conn: sa.Connection, kind: str, actor: str, made: Silence) -> None:
        self.events.append(
            conn, actor=actor, kind=kind, subject=f"silence:{made.id}",
            payload=msgspec.to_builtins(made),
        )  # fmt: skip


def _read(conn: sa.Connection, query: sa.Select[Any]) -> list[Silence]:
    return [Silence(**row._mapping) for row in conn.execute(query)]
