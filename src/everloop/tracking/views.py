"""Saved views: a search of runs under a name, for everybody of the project."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, Forbidden, NotFound, did_you_mean, invalid
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import upsert
from everloop.store.events import EventLog
from everloop.store.filter.ordering import parse_order
from everloop.store.filter.parser import parse_filter
from everloop.store.filter.tokens import pieces
from everloop.store.tables import run_views
from everloop.store.texts import check_long, check_short
from everloop.tracking.records import View
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.groups import group_of

MOST = 1000
"""Views of a project."""
LONGEST = 20_000
"""Characters of a part of a query."""

_SAVE = upsert(run_views, ["name"], ["query", "updated"])


class RunQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of the table of runs; empty text asks for nothing.

    ``columns`` and ``order_by`` are lists with commas, ``group_by`` is ``status``, ``experiment``,
    ``params.NAME`` or ``tags.NAME``.
    """

    experiment: str = ""
    filter: str = ""
    order_by: str = ""
    columns: str = ""
    group_by: str = ""
    view: View = "active"

    @property
    def orders(self) -> list[str]:
        """The sort keys, one by one."""
        return pieces(self.order_by)


class SavedView(msgspec.Struct, frozen=True):
    """A query with its name; ``owner`` saved it first."""

    name: str
    query: RunQuery
    owner: str
    created: int
    updated: int


class ViewStore:
    """The saved views in ``db``; each change is told to ``events``."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self._db = db
        self._events = events

    def all(self) -> list[SavedView]:
        """Every view, by name; at most :data:`MOST`."""
        with self._db.read() as conn:
            rows = conn.execute(sa.select(run_views).order_by(run_views.c.name).limit(MOST))
            return [_view(row) for row in rows]

    def get(self, name: str) -> SavedView:
        """One view; raises :class:`~everloop.errors.NotFound` with the nearest name."""
        with self._db.read() as conn:
            row = conn.execute(_named(name)).first()
        if row is None:
            raise NotFound(
                f"view: got {name!r}, which was not saved.", code="view_not_found", path="view",
                got=name, fix=did_you_mean(name, [view.name for view in self.all()]),
            )  # fmt: skip
        return _view(row)

    def save(self, name: str, query: RunQuery, *, actor: str, of_others: bool = True) -> SavedView:
        """Keep a query under a name, in the place of what had it.

        Raises :class:`~everloop.errors.InvalidInput` for a query that cannot be read, and
        :class:`~everloop.errors.Forbidden` for the name of another's view unless ``of_others``.
        """
        if "/" in check_short("view", name, 100):
            raise invalid("view", name, "a name without /")
        _check(query)
        now = now_ms()
        row = {"name": name, "query": msgspec.json.encode(query).decode(), "owner": actor,
               "created": now, "updated": now}  # fmt: skip
        with self._events.transaction() as conn:
            before = conn.execute(_named(name)).first()
            _check_owner(before, actor, of_others)
            if before is None and _count(conn) >= MOST:
                raise Conflict(f"view: the project has {MOST} already; delete one first.")
            conn.execute(_SAVE, row)
            self._tell(conn, "view.saved", name, actor, msgspec.to_builtins(query))
            return _view(conn.execute(_named(name)).one())

    def delete(self, name: str, *, actor: str, of_others: bool = True) -> SavedView:
        """Take a view away, and return it; raises as :meth:`get` and :meth:`save`."""
        view = self.get(name)
        with self._events.transaction() as conn:
            row = conn.execute(_named(name)).first()
            _check_owner(row, actor, of_others)
            if conn.execute(sa.delete(run_views).where(run_views.c.name == name)).rowcount:
                self._tell(conn, "view.deleted", name, actor, {})
        return view

    def _tell(
        self, conn: sa.Connection, kind: str, name: str, actor: str, payload: dict[str, Any]
    ) -> None:
        subject = f"view:{name}"
        self._events.append(conn, actor=actor, kind=kind, subject=subject, payload=payload)


def _check(query: RunQuery) -> None:
    """Refuse what the table could not show."""
    for field in ("experiment", "filter", "order_by", "columns", "group_by"):
        check_long(field, getattr(query, field), LONGEST)
    parse_filter(query.filter, RUN_FIELDS)
    parse_order(query.orders, RUN_FIELDS)
    if query.group_by:
        group_of(query.group_by)


def _check_owner(row: Any, actor: str, of_others: bool) -> None:
    if row is not None and row.owner != actor and not of_others:
        raise Forbidden(
            f"view: {row.name!r} is {row.owner}'s; save yours under another name.",
            code="view_of_another", path="view", got=row.name,
        )  # fmt: skip


def _named(name: str) -> sa.Select[Any]:
    return sa.select(run_views).where(run_views.c.name == name)


def _count(conn: sa.Connection) -> int:
    return conn.execute(sa.select(sa.func.count()).select_from(run_views)).scalar_one()


def _view(row: Any) -> SavedView:
    query = msgspec.json.decode(row.query, type=RunQuery)
    return SavedView(row.name, query, row.owner, row.created, row.updated)
