"""People who may reach a project, each by a token of its own, and the roles they have.

A token is shown once, when it is made; what is kept is its SHA-256, which suffices since a token is
256 random bits. The server's own token (``settings.token``) is nobody's: whoever holds it may do
everything, and counts as no person.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, get_args

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, Unavailable, did_you_mean, invalid
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import people, sessions

May = Literal["read", "decide", "write", "admin"]  # each may what those before it may
RESERVED = ("auto", "cli", "controller", "local", "nobody", "token")  # actors that are no person
MOST_ROLES = 20
NAME_LENGTH = 64
NOTED = 600_000  # ms between two notes of when a token was used
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class Person(msgspec.Struct, frozen=True):
    """A person: what it may do over HTTP, and the roles that its yes stands for."""

    name: str
    roles: list[str]
    may: str
    created: int
    used: int | None = None  # about when the token was shown last


class PersonWithToken(msgspec.Struct, frozen=True):
    """A person just added, with the token, which nothing shows again."""

    person: Person
    token: str


class PeopleStore:
    """The project's list of people. Safe to share between threads."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self._db = db
        self._events = events

    def add(
        self, name: str, *, roles: Sequence[str] = (), may: str = "decide", actor: str
    ) -> PersonWithToken:
        """Add a person and make the token.

        Raises :class:`~everloop.errors.InvalidInput` for a bad name or role, and
        :class:`~everloop.errors.Conflict` when the name is taken.
        """
        _check(name, roles, may)
        person = Person(name, sorted(set(roles)), may, now_ms())
        token = secrets.token_urlsafe(32)
        values = {
            "name": name,
            "token_sha256": digest_of(token),
            "roles": msgspec.json.encode(person.roles).decode(),
            "may": may,
            "created": person.created,
            "actor": actor,
        }
        with self._events.transaction() as conn:
            new = conn.scalar(sa.select(people.c.name).where(people.c.name == name)) is None
            if new:
                conn.execute(people.insert().values(values))
                said = {"roles": person.roles, "may": may}
                self._tell(conn, "person.added", name, actor, said)
        if not new:
            raise Conflict(
                f"people: {name} is there already.", code="person_exists", path="name", got=name,
                fix=f"everloop people remove {name} takes the name and its token away.",
            )  # fmt: skip
        return PersonWithToken(person, token)

    def remove(self, name: str, *, actor: str) -> None:
        """Take a person and the token away; what was said stays."""
        with self._events.transaction() as conn:
            own = sa.select(people.c.token_sha256).where(people.c.name == name).scalar_subquery()
            conn.execute(sessions.delete().where(sessions.c.token_sha256 == own))
            gone = conn.execute(people.delete().where(people.c.name == name)).rowcount
            if gone:
                self._tell(conn, "person.removed", name, actor, {})
        if not gone:
            raise NotFound(
                f"people: got {name!r}, which the list does not have.", path="name", got=name,
                fix=did_you_mean(name, [one.name for one in self.all()])
                or "everloop people list shows it.",
            )  # fmt: skip

    def all(self) -> list[Person]:
        """Everybody, by name."""
        with self._db.read() as conn:
            return [
                person_of_row(row)
                for row in conn.execute(sa.select(people).order_by(people.c.name))
            ]

    def named(self, name: str) -> Person | None:
        """The person of a name, or None."""
        return self._one(people.c.name == name)

    def holder(self, token: str) -> Person | None:
        """Whose token this is; None for nobody's. Notes that it was used."""
        if not token:
            return None
        digest, now = digest_of(token), now_ms()
        person = self._one(people.c.token_sha256 == digest)
        if person is not None and now - (person.used or 0) > NOTED:
            self.note(digest, now)
        return person

    def note(self, token_sha256: str, now: int) -> None:
        """Keep when a token was used; a database that is away or busy may miss it."""
        with suppress(Unavailable), self._db.write() as conn:
            own = people.c.token_sha256 == token_sha256
            conn.execute(people.update().where(own).values(used=now))

    def _one(self, where: sa.ColumnElement[bool]) -> Person | None:
        with self._db.read() as conn:
            row = conn.execute(sa.select(people).where(where)).first()
        return None if row is None else person_of_row(row)

    def _tell(
        self, conn: sa.Connection, kind: str, name: str, actor: str, payload: dict[str, Any]
    ) -> None:
        subject = f"person/{name}"
        self._events.append(conn, actor=actor, kind=kind, subject=subject, payload=payload)


def check_role(role: str, field: str) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` unless ``role`` can name one."""
    if not _ROLE.fullmatch(role):
        raise invalid(field, role, "a role: a letter, then letters, digits, - or _, 40 at most")


def _check(name: str, roles: Sequence[str], may: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid("name", name, "letters, digits and . _ @ -, 64 at most")
    if name.lower() in RESERVED:
        raise invalid("name", name, f"none of {', '.join(RESERVED)}, which are no people")
    if len(roles) > MOST_ROLES:
        raise invalid("roles", f"<{len(roles)} roles>", f"at most {MOST_ROLES}")
    for role in roles:
        check_role(role, "roles")
    if may not in get_args(May):
        raise invalid("may", may, f"one of {', '.join(get_args(May))}")


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def person_of_row(row: sa.Row[Any]) -> Person:
    """A person from the columns of its row."""
    return Person(row.name, msgspec.json.decode(row.roles), row.may, row.created, row.used)
