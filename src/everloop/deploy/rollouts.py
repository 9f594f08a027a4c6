"""The rollouts in the database: what is on trial, how far it is, and what was seen of it.

A rollout belongs to the cycle that began it. Its evidence is kept in the same row as the place in
the log up to which it was counted, so that whoever carries it on after a crash counts each request
once. What a person asks for is kept beside it until it is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from everloop.deploy.spec import RolloutSpec
from everloop.deploy.trail import Look
from everloop.errors import Conflict, NotFound
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore
from everloop.store.events import EventLog
from everloop.store.tables import rollouts
from everloop.store.texts import json_text

Do = Literal["pause", "resume", "promote", "rollback"]
UNDER_WAY = ("running", "paused")


class Wish(msgspec.Struct, frozen=True):
    """What a person asked of a rollout."""

    do: Do
    by: str
    comment: str = ""

    @property
    def words(self) -> str:
        """Who said so, and why."""
        return f"{self.by}: {self.comment}" if self.comment else self.by


class Seen(msgspec.Struct):
    """What was seen since the stage began.

    ``predictions`` and ``feedback`` are the log's parts up to which it was counted. ``requests``
    holds requests and failures by version, ``labels`` labelled and wrong answers, ``guards`` each
    guard's state by version on trial, and ``findings`` what they said last. ``due`` (ms) is when
    the stage is over at the latest; ``left`` is what of it was left when it was paused. ``stages``
    are those that are over, ``trail`` how the evidence of all of them went.
    """

    predictions: int = 0
    feedback: int = 0
    requests: dict[str, tuple[int, int]] = {}
    labels: dict[str, tuple[int, int]] = {}
    unpaired: dict[str, Any] = {}
    guards: dict[str, dict[str, dict[str, Any]]] = {}
    findings: list[dict[str, Any]] = []
    shares: dict[str, float] = {}
    due: int = 0
    left: int | None = None
    stages: list[dict[str, Any]] = []
    trail: list[Look] = []


class Rollout(msgspec.Struct, frozen=True):
    """One rollout. ``state`` is running, paused, promoted or rolled_back; times are ms, UTC.

    ``versions`` are on trial beside ``champion``.
    """

    id: str
    cycle: str
    endpoint: str
    model: str
    spec: RolloutSpec
    champion: int
    versions: list[int]
    stage: int
    state: str
    wish: Wish | None
    evidence: Seen
    reason: str | None
    actor: str
    began: int
    stage_began: int
    updated: int

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state not in UNDER_WAY


class RolloutStore:
    """The rollouts in ``db``; each decision is an event in the same transaction."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    def begin(
        self,
        cycle: str,
        *,
        endpoint: str,
        model: str,
        spec: RolloutSpec,
        champion: int,
        versions: list[int],
        actor: str,
    ) -> Rollout:
        """The rollout of a cycle: a new one, or the one that it has begun before."""
        now = now_ms()
        row = {
            "id": uuid.uuid4().hex, "cycle": cycle, "endpoint": endpoint, "model": model,
            "spec": json_text(spec), "champion": champion, "versions": json_text(versions),
            "stage": -1,
            "state": "running", "evidence": json_text(Seen()), "actor": actor, "began": now,
            "stage_began": now, "updated": now,
        }  # fmt: skip
        with self.events.transaction() as conn:
            new = insert_or_ignore(rollouts).values(row).returning(rollouts.c.id)
            if conn.execute(new).first() is not None:
                payload = {
                    "rollout": row["id"], "champion": champion, "versions": versions,
                    "spec": msgspec.to_builtins(spec),
                }  # fmt: skip
                self._event(conn, "rollout.began", endpoint, actor, payload)
        found = self.of_cycle(cycle)
        assert found is not None
        return found

    def of_cycle(self, cycle: str) -> Rollout | None:
        """The rollout that a cycle has begun."""
        return self._first(sa.select(rollouts).where(rollouts.c.cycle == cycle))

    def get(self, rollout: str) -> Rollout:
        """One rollout. Raises :class:`~everloop.errors.NotFound`."""
        found = self._first(sa.select(rollouts).where(rollouts.c.id == rollout))
        if found is None:
            raise NotFound(
                f"rollout: got {rollout!r}, which does not exist.",
                code="rollout_not_found", path="rollout", got=rollout,
            )  # fmt: skip
        return found

    def newest(self, endpoint: str) -> Rollout | None:
        """The rollout of an endpoint that was begun last."""
        found = self.page(endpoint, limit=1)
        return found[0] if found else None

    def under_way(self, endpoints: Collection[str]) -> dict[str, Rollout]:
        """The rollouts that go on at these endpoints: one query."""
        going = rollouts.c.state.in_(UNDER_WAY) & rollouts.c.endpoint.in_(endpoints)
        with self.db.read() as conn:
            found = [_rollout(row) for row in conn.execute(sa.select(rollouts).where(going))]
        return {one.endpoint: one for one in found}

    def page(self, endpoint: str, before: int | None = None, limit: int = 20) -> list[Rollout]:
        """Newest first; ``before`` is the ``began`` to go on from."""
        query = sa.select(rollouts).where(rollouts.c.endpoint == endpoint)
        if before is not None:
            query = query.where(rollouts.c.began < before)
        query = query.order_by(rollouts.c.began.desc(), rollouts.c.id).limit(limit)
        with self.db.read() as conn:
            return [_rollout(row) for row in conn.execute(query)]

    def tried(self, endpoint: str, limit: int = 1000) -> set[int]:
        """The versions that its newest rollouts were about, the champions of then too."""
        query = sa.select(rollouts.c.champion, rollouts.c.versions)
        query = query.where(rollouts.c.endpoint == endpoint)
        query = query.order_by(rollouts.c.began.desc()).limit(limit)
        with self.db.read() as conn:
            rows = conn.execute(query).all()
        return {version for row in rows for version in (row[0], *msgspec.json.decode(row[1]))}

    def save(self, rollout: str, evidence: Seen) -> None:
        """Keep what was seen."""
        with self.db.write() as conn:
            self._update(conn, rollout, {"evidence": json_text(evidence)})

    def decide(
        self,
        conn: sa.Connection,
        rollout: Rollout,
        kind: str,
        actor: str,
        payload: dict[str, Any],
        **changed: Any,
    ) -> None:
        """Change a rollout with the event that says why, in the caller's transaction."""
        values = {k: json_text(v) if k == "evidence" else v for k, v in changed.items()}
        self._update(conn, rollout.id, values)
        said = {"rollout": rollout.id, "versions": rollout.versions, **payload}
        self._event(conn, f"rollout.{kind}", rollout.endpoint, actor, said)

    def ask(self, rollout: str, wish: Wish) -> Rollout:
        """Keep what a person asks for; whoever carries the rollout on does it within a second.

        Raises :class:`~everloop.errors.Conflict` for a rollout that is over.
        """
        found = self.get(rollout)
        with self.events.transaction() as conn:
            under_way = rollouts.c.state.in_(UNDER_WAY)
            changed = conn.execute(
                rollouts.update()
                .where(rollouts.c.id == rollout, under_way)
                .values(wish=json_text(wish), updated=now_ms())
            ).rowcount
            if changed:
                payload = {"rollout": rollout, **msgspec.to_builtins(wish)}
                self._event(conn, "rollout.asked", found.endpoint, wish.by, payload)
        if not changed:
            raise Conflict(
                f"rollout: that of {found.endpoint} is over ({found.state.replace('_', ' ')}).",
                code="rollout_over",
                fix=f"everloop deploy {found.champion} brings back the version before it."
                if found.state == "promoted"
                else "everloop rollout start VERSION begins another.",
            )
        return self.get(rollout)

    def done(self, conn: sa.Connection, rollout: str, wish: Wish) -> None:
        """Forget a wish that was done; one that came meanwhile stays."""
        conn.execute(
            rollouts.update()
            .where(rollouts.c.id == rollout, rollouts.c.wish == json_text(wish))
            .values(wish=None)
        )

    def _update(self, conn: sa.Connection, rollout: str, values: dict[str, Any]) -> None:
        one = rollouts.update().where(rollouts.c.id == rollout)
        conn.execute(one.values(updated=now_ms(), **values))

    def _event(
        self, conn: sa.Connection, kind: str, endpoint: str, actor: str, payload: dict[str, Any]
    ) -> None:
        subject = f"endpoint:{endpoint}"
        self.events.append(conn, actor=actor, kind=kind, subject=subject, payload=payload)

    def _first(self, query: sa.Select[Any]) -> Rollout | None:
        with self.db.read() as conn:
            row = conn.execute(query).first()
        return None if row is None else _rollout(row)


def no_rollout(endpoint: str) -> NotFound:
    """What is said of an endpoint that never had one."""
    return NotFound(
        f"endpoint {endpoint}: has had no rollout yet.", code="rollout_not_found", path="endpoint",
        fix="everloop rollout start VERSION begins one while the data plane runs.",
    )  # fmt: skip


def _rollout(row: Any) -> Rollout:
    return Rollout(
        id=row.id,
        cycle=row.cycle,
        endpoint=row.endpoint,
        model=row.model,
        spec=msgspec.json.decode(row.spec, type=RolloutSpec),
        champion=row.champion,
        versions=msgspec.json.decode(row.versions),
        stage=row.stage,
        state=row.state,
        wish=msgspec.json.decode(row.wish, type=Wish) if row.wish else None,
        evidence=msgspec.json.decode(row.evidence, type=Seen),
        reason=row.reason,
        actor=row.actor,
        began=row.began,
        stage_began=row.stage_began,
        updated=row.updated,
    )
