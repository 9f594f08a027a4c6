"""What a server does by itself (imports, exports, predictions, backtests): each a row, none lost.

Whoever moves ``due`` into the future takes one, and moves it on for as long as it is at work;
should that server die, the move is due again and goes on where it was, since every batch of it can
be repeated. One of the kinds that are taken together is under way at a time, over all servers.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, EverloopError, NotFound
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import serialise
from everloop.store.events import EventLog
from everloop.store.paging import Found, pack, unpack
from everloop.store.tables import moves

Kind = Literal["import", "export", "predict", "backtest"]
MOVING: tuple[Kind, ...] = ("import", "export")
State = Literal["waiting", "running", "done", "failed", "stopped"]
Progress = dict[str, tuple[int, int | None]]
"""What is moved: how much of it is done, and how much there is."""

LEASE_MS = 60_000
"""How long a server may be silent before another one goes on."""

_M = moves.c
_OVER = ("done", "failed", "stopped")


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """An import, export, batch of predictions or backtest: what it did, or the ``error``."""

    id: str
    kind: Kind
    address: str
    options: dict[str, Any]
    state: State
    attempts: int
    progress: Progress
    report: dict[str, Any] | None
    error: dict[str, Any] | None
    actor: str
    created: int
    updated: int


class MoveStore:
    """The moves in ``db``; each one that is asked for is told to ``events``."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    def add(self, kind: Kind, address: str, options: dict[str, Any], actor: str) -> Move:
        """Ask for one; whoever has time takes it."""
        now, id = now_ms(), uuid.uuid4().hex
        row = {
            "id": id, "kind": kind, "address": address, "options": _json(options),
            "state": "waiting", "attempts": 0, "due": now, "progress": "{}", "actor": actor,
            "created": now, "updated": now,
        }  # fmt: skip
        with self.events.transaction() as conn:
            conn.execute(sa.insert(moves).values(**row))
            self._event(conn, id, kind, "asked", actor, {"address": address[:1000]})
            return _read(conn, id)

    def get(self, id: str, kind: Kind | None = None) -> Move:
        """One move; raises :class:`~everloop.errors.NotFound` when there is none of that kind."""
        with self.db.read() as conn:
            return _read(conn, id, kind)

    def page(self, kind: Kind, limit: int = 100, token: str | None = None) -> Found[Move]:
        """Moves of a kind, the newest first."""
        query = sa.select(moves).where(_M.kind == kind)
        if token is not None:
            created, last = unpack(token, tuple[int, str])
            query = query.where(sa.tuple_(_M.created, _M.id) < sa.tuple_(created, last))
        query = query.order_by(_M.created.desc(), _M.id.desc()).limit(limit + 1)
        with self.db.read() as conn:
            rows = conn.execute(query).all()
        more = pack([rows[limit - 1].created, rows[limit - 1].id]) if len(rows) > limit else None
        return Found([_move(row) for row in rows[:limit]], more)

    def stop(self, id: str, kind: Kind, actor: str) -> Move:
        """Let one end at its next batch; what it moved stays."""
        with self.events.transaction() as conn:
            found = _read(conn, id, kind)
            if found.state in _OVER:
                raise Conflict(f"The {kind} {id} is over: {found.state}.", code="move_over", got=id)
            self._set(conn, id, state="stopped", due=None)
            self._event(conn, id, kind, "stopped", actor, {})
            return _read(conn, id)

    def resume(self, id: str, kind: Kind, actor: str) -> Move:
        """Let one that is over go on, or look whether there is more by now."""
        with self.events.transaction() as conn:
            found = _read(conn, id, kind)
            if found.state in _OVER:
                self._set(conn, id, state="waiting", due=now_ms(), attempts=0, error=None)
                self._event(conn, id, kind, "resumed", actor, {})
            return _read(conn, id)

    # -- for who does them -----------------------------------------------------------------------

    def take(self, kinds: Sequence[Kind] = MOVING) -> Move | None:
        """The oldest that is due, for this caller alone while it calls :meth:`renew`."""
        now, ours = now_ms(), _M.kind.in_(kinds)
        due = sa.select(_M.id).where(ours & (_M.due <= now)).order_by(_M.created, _M.id).limit(1)
        with self.db.read() as conn:
            if conn.execute(due).first() is None:
                return None
        running = ours & (_M.state == "running") & (_M.due > now)
        busy = sa.select(_M.id).where(running).limit(1)
        with self.db.write() as conn:
            serialise(conn, "everloop.moves")
            id = conn.execute(due).scalar()
            if id is None or conn.execute(busy).first() is not None:
                return None
            self._set(conn, id, state="running", due=now + LEASE_MS, attempts=_M.attempts + 1)
            return _read(conn, id)

    def renew(self, move: Move, progress: Progress) -> bool:
        """Say how far it is; False when it was stopped or somebody else has it now."""
        with self.db.write() as conn:
            values = {"progress": _json(progress), "due": now_ms() + LEASE_MS}
            return self._set_mine(conn, move, **values)

    def settle(self, move: Move, progress: Progress, report: Any) -> bool:
        """Record what it did."""
        values = {"state": "done", "due": None, "report": _json(report), "error": None}
        with self.db.write() as conn:
            return self._set_mine(conn, move, progress=_json(progress), **values)

    def fail(self, move: Move, error: EverloopError, again_in: int | None = None) -> bool:
        """Record why it did not; ``again_in`` so many milliseconds it is tried again."""
        later = None if again_in is None else now_ms() + again_in
        values = {
            "state": "failed" if later is None else "waiting", "due": later,
            "error": msgspec.json.encode(error.to_dict(), enc_hook=repr).decode(),
        }  # fmt: skip
        with self.db.write() as conn:
            return self._set_mine(conn, move, **values)

    def release(self, move: Move) -> None:
        """Leave it to whoever comes next, at once."""
        with self.db.write() as conn:
            self._set_mine(conn, move, state="waiting", due=now_ms())

    def _set_mine(self, conn: sa.Connection, move: Move, **values: Any) -> bool:
        mine = (_M.id == move.id) & (_M.attempts == move.attempts) & (_M.state == "running")
        change = sa.update(moves).where(mine).values(updated=now_ms(), **values)
        return bool(conn.execute(change).rowcount)

    @staticmethod
    def _set(conn: sa.Connection, id: str, **values: Any) -> None:
        conn.execute(sa.update(moves).where(_M.id == id).values(updated=now_ms(), **values))

    def _event(
        self, conn: sa.Connection, id: str, kind: str, what: str, actor: str, payload: Any
    ) -> None:
        self.events.append(
            conn, actor=actor, kind=f"{kind}.{what}", subject=f"{kind}:{id}", payload=payload
        )


def _read(conn: sa.Connection, id: str, kind: Kind | None = None) -> Move:
    row = conn.execute(sa.select(moves).where(_M.id == id)).first()
    if row is None or kind not in (None, row.kind):
        raise _missing(id)
    return _move(row)


def _move(row: Any) -> Move:
    values = dict(row._mapping)
    del values["due"]
    for name in ("options", "progress", "report", "error"):
        values[name] = None if values[name] is None else msgspec.json.decode(values[name])
    values["progress"] = {what: tuple(pair) for what, pair in values["progress"].items()}
    return Move(**values)


def _missing(id: str) -> NotFound:
    return NotFound(f"There is no such job: {id[:80]!r}.", code="no_move", got=id[:80])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
