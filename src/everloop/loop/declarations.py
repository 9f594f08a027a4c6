"""The loops that are declared, each by its whole declaration, as it was recorded last."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, did_you_mean
from everloop.loop.declaration import Declaration, from_dict, to_dict
from everloop.loop.declared import changes
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import loops
from everloop.store.texts import json_text


class DeclarationStore:
    """The part of a :class:`~everloop.loop.cycles.CycleStore` that is about loops."""

    _db: Database
    _events: EventLog
    _declared: dict[str, tuple[str, Declaration]]  # by name, with its text

    def save_loop(self, declaration: Declaration, actor: str) -> None:
        """Record a loop's declaration; an event only when it is new or changed."""
        text = json_text(to_dict(declaration))
        now = now_ms()
        wanted = sa.select(loops.c.declaration).where(loops.c.name == declaration.name)
        with self._db.read() as conn:
            # Every status comes through here, and must not wait for a writer.
            if conn.scalar(wanted) == text:
                return
        with self._events.transaction() as conn:
            row = conn.execute(wanted).first()
            if row is not None and row.declaration == text:
                return
            _check_endpoint(conn, declaration)
            changed = [] if row is None else changes(msgspec.json.decode(row[0]), declaration)
            if row is None:
                conn.execute(
                    loops.insert().values(
                        name=declaration.name, declaration=text, created=now, updated=now
                    )
                )
            else:
                conn.execute(
                    loops.update()
                    .where(loops.c.name == declaration.name)
                    .values(declaration=text, updated=now)
                )
            self._events.append(
                conn,
                actor=actor,
                kind="loop.declared",
                subject=f"loop/{declaration.name}",
                payload={"changed": row is not None, "changes": changed},
            )

    def declaration(self, name: str) -> Declaration:
        """The recorded declaration of a loop; NotFound with the nearest name otherwise."""
        with self._db.read() as conn:
            text = conn.scalar(sa.select(loops.c.declaration).where(loops.c.name == name))
        if text is None:
            raise NotFound(
                f"loop: got {name!r}, which does not exist.",
                path="loop",
                got=name,
                fix=did_you_mean(name, self.loop_names()) or "everloop init DATA.csv makes one.",
            )
        return from_dict(msgspec.json.decode(text)).declaration

    def declarations(self) -> list[Declaration]:
        """The recorded declarations of all loops, by name; each is read once, until it changes."""
        query = sa.select(loops.c.name, loops.c.declaration).order_by(loops.c.name)
        with self._db.read() as conn:
            rows = conn.execute(query).all()
        before, self._declared = self._declared, {}
        for name, text in rows:
            known = before.get(name)
            if known is None or known[0] != text:
                known = (text, from_dict(msgspec.json.decode(text)).declaration)
            self._declared[name] = known
        return [self._declared[name][1] for name, _ in rows]

    def loop_names(self) -> list[str]:
        with self._db.read() as conn:
            return list(conn.scalars(sa.select(loops.c.name).order_by(loops.c.name)))


def _check_endpoint(conn: sa.Connection, declaration: Declaration) -> None:
    """Two loops behind one endpoint would take its traffic from each other."""
    others = sa.select(loops.c.name, loops.c.declaration).where(loops.c.name != declaration.name)
    for name, text in conn.execute(others):
        if from_dict(msgspec.json.decode(text)).declaration.endpoint == declaration.endpoint:
            raise Conflict(
                f"deploy.endpoint: got {declaration.endpoint!r}, which the loop {name!r} has.",
                path="deploy.endpoint",
                got=declaration.endpoint,
                code="endpoint_taken",
                fix="Give the loop an endpoint of its own.",
            )
