"""Browsers that are signed in: what a cookie's id stands for, and how long.

An id is 256 random bits of which only the SHA-256 is kept. A session belongs to a token, not to a
name: it lasts while that token is good, and has the rights that the token's person has at that
moment. Its id changes every hour; the one before stays good until the new one has been seen, since
the answer that carried it may have been lost.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from everloop.errors import Unavailable
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.people import PeopleStore, Person, digest_of, person_of_row
from everloop.store.tables import people, sessions

ROTATE = 3_600_000  # ms that an id is used
GRACE = 60_000  # ms that requests under way may still bring the id before
SEEN = 60_000  # ms between two notes of when a session was seen
MOST = 50  # sessions of one token; the longest unseen one makes room


class Session(msgspec.Struct, frozen=True):
    """A browser that is signed in; ``key`` names the session, and opens nothing."""

    key: str
    agent: str
    created: int
    seen: int


class Shown(NamedTuple):
    """What an id stands for: whose token, what its forms are signed with, and the next id.

    ``person`` is None for a token that is nobody's on the list: the server's own, or one that is
    not good any more. ``next_id`` is what the browser is to show from now on, or None.
    """

    key: str
    token_sha256: str
    secret: bytes
    person: Person | None
    next_id: str | None


class SessionStore:
    """Sessions of all tokens. Safe to share between threads.

    Parameters
    ----------
    idle : ms without a request after which a session has ended.
    life : ms after which it has ended in any case.
    """

    def __init__(
        self, db: Database, events: EventLog, people: PeopleStore, idle: int, life: int
    ) -> None:
        self._db = db
        self._events = events
        self._people = people
        self.idle = idle
        self.life = life

    def begin(self, token: str, *, who: str, agent: str = "") -> str:
        """A new session of whoever holds ``token``; returns its id, which nothing shows again."""
        new, now = secrets.token_urlsafe(32), now_ms()
        digest = digest_of(token)
        values = {
            "id_sha256": _hash(new),
            "previous_sha256": None,
            "key": secrets.token_hex(16),
            "token_sha256": digest,
            "secret": secrets.token_hex(32),
            "agent": agent[:80],
            "created": now,
            "seen": now,
            "rotated": now,
            "retires": None,
        }
        with self._events.transaction() as conn:
            conn.execute(sessions.delete().where(~self._alive(now)))
            own = sessions.c.token_sha256 == digest
            newest = sa.select(sessions.c.key).where(own).order_by(sessions.c.seen.desc())
            kept = conn.scalars(newest.limit(MOST - 1)).all()
            conn.execute(sessions.delete().where(own, sessions.c.key.not_in(kept)))
            conn.execute(sessions.insert().values(values))
            self._tell(conn, "person.signed_in", who, {"agent": values["agent"]})
        return new

    def show(self, id: str) -> Shown | None:
        """What an id stands for, None for nothing; notes that it was seen, and renews it."""
        digest, now = _hash(id), now_ms()
        with self._db.read() as conn:
            row: Any = conn.execute(_BY_ID, {"id": digest}).first()
        if row is None or not self._is_alive(row, now):
            return None
        old = row.previous_sha256 == digest
        if old and row.retires is not None and row.retires < now:
            return None
        person = None if row.name is None else person_of_row(row)
        fresh = self._renewed(row, old, now)
        return Shown(row.key, row.token_sha256, bytes.fromhex(row.secret), person, fresh)

    def of(self, token_sha256: str) -> list[Session]:
        """Sessions of a token, the one seen last first."""
        return self._where(sessions.c.token_sha256 == token_sha256)

    def beside(self, key: str) -> list[Session]:
        """All sessions of the token that this one belongs to, itself among them."""
        return self._where(sessions.c.token_sha256 == _token_of(key))

    def _where(self, which: sa.ColumnElement[bool]) -> list[Session]:
        columns = [sessions.c[name] for name in Session.__struct_fields__]
        query = sa.select(*columns).where(which, self._alive(now_ms()))
        with self._db.read() as conn:
            rows = conn.execute(query.order_by(sessions.c.seen.desc())).all()
        return [Session(**row._mapping) for row in rows]

    def end(self, key: str, *, who: str) -> None:
        """Sign a browser out."""
        self._end(sessions.c.key == key, who)

    def end_others(self, key: str, *, who: str) -> int:
        """Sign out all other browsers of the same token; returns how many there were."""
        return self._end((sessions.c.token_sha256 == _token_of(key)) & (sessions.c.key != key), who)

    def _end(self, which: sa.ColumnElement[bool], who: str) -> int:
        with self._events.transaction() as conn:
            gone = conn.execute(sessions.delete().where(which)).rowcount
            if gone:
                self._tell(conn, "person.signed_out", who, {"sessions": gone})
        return gone

    def _renewed(self, row: sa.Row[Any], old: bool, now: int) -> str | None:
        """Write what has to be written once in a while; the new id, if there is one."""
        used = row.id_sha256
        if now - row.rotated > (GRACE if old else ROTATE) and not (old and row.retires):
            new = secrets.token_urlsafe(32)
            values = {"id_sha256": _hash(new), "rotated": now, "retires": None, "seen": now}
            values["previous_sha256"] = row.previous_sha256 if old else used
            return new if self._write(used, values) else None
        if not old and row.previous_sha256 and row.retires is None:
            self._write(used, {"retires": now + GRACE})
        elif now - row.seen > SEEN:
            self._write(used, {"seen": now})
            self._people.note(row.token_sha256, now)
        return None

    def _write(self, used: str, values: dict[str, Any]) -> bool:
        """Whether the session still had the id: of two requests at once one writes."""
        changed = sessions.update().where(sessions.c.id_sha256 == used).values(values)
        with suppress(Unavailable), self._db.write() as conn:
            return conn.execute(changed).rowcount == 1
        return False  # it can wait

    def _alive(self, now: int) -> sa.ColumnElement[bool]:
        return (sessions.c.created > now - self.life) & (sessions.c.seen > now - self.idle)

    def _is_alive(self, row: sa.Row[Any], now: int) -> bool:
        return bool(row.session_created > now - self.life and row.seen > now - self.idle)

    def _tell(self, conn: sa.Connection, kind: str, who: str, payload: dict[str, Any]) -> None:
        subject = f"person/{who}"
        self._events.append(conn, actor=f"http:{who}", kind=kind, subject=subject, payload=payload)


_BY_ID = (
    sa.select(
        *(column for column in sessions.c if column.name != "created"),
        sessions.c.created.label("session_created"),
        *(column for column in people.c if column.name != "token_sha256"),
    )
    .select_from(sessions.outerjoin(people, people.c.token_sha256 == sessions.c.token_sha256))
    .where(
        (sessions.c.id_sha256 == sa.bindparam("id"))
        | (sessions.c.previous_sha256 == sa.bindparam("id"))
    )
)


def _token_of(key: str) -> sa.ScalarSelect[str]:
    return sa.select(sessions.c.token_sha256).where(sessions.c.key == key).scalar_subquery()


def _hash(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "surrogateescape")).hexdigest()
