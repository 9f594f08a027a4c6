"""The endpoints in the database, and the file of the desired state made from them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.deploy.package import MANIFEST
from everloop.deploy.packaging import materialise
from everloop.deploy.spec import ServingSpec
from everloop.deploy.state import (
    Arm,
    Bounds,
    DesiredState,
    EndpointState,
    LogRules,
    check_arms,
    read_state,
    state_path,
    write_state,
)
from everloop.errors import Integrity, NotFound, did_you_mean
from everloop.registry.models import ModelStore
from everloop.registry.names import check_name
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import upsert
from everloop.store.events import EventLog
from everloop.store.tables import endpoints


class Arms(msgspec.Struct, frozen=True):
    """What is kept of an endpoint beside its model: the arms that answer, and how."""

    arms: tuple[Arm, ...]
    serving: ServingSpec = ServingSpec()


class Endpoint(msgspec.Struct, frozen=True):
    """A name that callers use. ``revision`` and ``updated`` (ms UTC) are of its last change."""

    name: str
    model: str
    arms: tuple[Arm, ...]
    revision: int
    updated: int
    serving: ServingSpec = ServingSpec()

    @property
    def champion(self) -> Arm:
        """The arm that answers unless another is chosen."""
        return next(arm for arm in self.arms if arm.role == "champion")


class EndpointStore:
    """The endpoints in ``db``; each change is an event in the same transaction."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    def get(self, name: str) -> Endpoint:
        """One endpoint; raises :class:`~everloop.errors.NotFound` with the nearest name."""
        with self.db.read() as conn:
            found = _get(conn, name)
            if found is not None:
                return found
            known = list(conn.execute(sa.select(endpoints.c.name).limit(1000)).scalars())
        fix = did_you_mean(name, known)
        raise NotFound(
            f"There is no endpoint {name!r}." + (f" {fix}" if fix else ""),
            code="endpoint_not_found", got=name, fix=fix,
        )  # fmt: skip

    def all(self) -> list[Endpoint]:
        """Every endpoint, by name."""
        with self.db.read() as conn:
            return _all(conn)

    def of_model(self, model: str) -> list[Endpoint]:
        """The endpoints that answer with a model, by name."""
        query = sa.select(endpoints).where(endpoints.c.model == model).order_by(endpoints.c.name)
        with self.db.read() as conn:
            return [_from_row(row) for row in conn.execute(query)]

    def page(self, after: str = "", limit: int = 100) -> list[Endpoint]:
        """Endpoints by name, those behind ``after``."""
        query = sa.select(endpoints).where(endpoints.c.name > after).order_by(endpoints.c.name)
        with self.db.read() as conn:
            return [_from_row(row) for row in conn.execute(query.limit(limit))]

    def serving(self, model: str) -> set[int]:
        """The versions of a model that some endpoint serves, a canary's and a shadow's too."""
        return {arm.version for endpoint in self.of_model(model) for arm in endpoint.arms}

    def set_rollout(
        self,
        name: str,
        model: str,
        arms: Sequence[Arm],
        actor: str,
        conn: sa.Connection | None = None,
        serving: ServingSpec | None = None,
    ) -> int:
        """Let ``arms`` of ``model`` answer at ``name``; returns the endpoint's revision.

        The revision is one above the highest of all endpoints. Setting what is set already
        changes and records nothing. ``serving`` None keeps what it was. With ``conn``, a
        connection of :meth:`EventLog.transaction`, it happens in that transaction. Raises
        :class:`~everloop.errors.InvalidInput` for arms that cannot answer together.
        """
        check_name("endpoint", name)
        check_arms(tuple(arms))
        with self._within(conn) as open_conn:
            before = _get(open_conn, name)
            kept = before.serving if before else ServingSpec()
            rollout = Arms(tuple(arms), kept if serving is None else serving)
            if before and (before.model, before.arms, kept) == (
                model, rollout.arms, rollout.serving,
            ):  # fmt: skip
                return before.revision
            revision = _newest_revision(open_conn) + 1
            row = {
                "name": name,
                "model": model,
                "rollout": msgspec.json.encode(rollout).decode(),
                "revision": revision,
                "updated": now_ms(),
            }
            changed = ["model", "rollout", "revision", "updated"]
            open_conn.execute(upsert(endpoints, ["name"], changed), row)
            self.events.append(
                open_conn, actor=actor, kind="endpoint.rollout", subject=f"endpoint:{name}",
                payload=_payload(before, model, rollout, revision),
            )  # fmt: skip
        return revision

    def publish(
        self,
        state: Path,
        registry: ModelStore,
        blobs: Blobs,
        log: Mapping[str, LogRules] | None = None,
        expected: Mapping[str, dict[str, Bounds]] | None = None,
    ) -> DesiredState:
        """Write the desired state below ``state`` for the data plane of this machine.

        Each package is brought there first, so that the file never names one that is missing.
        Publishers take turns, and a newer state is never overwritten by an older one. ``log``
        says what may be logged, and ``expected`` what values should be, by endpoint.
        """
        path, rules, bounds = state_path(state), log or {}, expected or {}
        with _turn(path):
            with self.db.read() as conn:
                found = _all(conn)
            for endpoint in found:
                for arm in endpoint.arms:
                    _fetch(endpoint.model, arm, registry, blobs, state / "packages")
            desired = DesiredState(
                max((endpoint.revision for endpoint in found), default=0),
                {
                    e.name: EndpointState(
                        e.model, e.arms, e.serving, rules.get(e.name), bounds.get(e.name, {})
                    )
                    for e in found
                },
            )
            if not path.exists() or read_state(path) != desired:
                write_state(path, desired)
        return desired

    @contextmanager
    def _within(self, conn: sa.Connection | None) -> Iterator[sa.Connection]:
        if conn is not None:
            yield conn
        else:
            with self.events.transaction() as own:
                yield own


def _fetch(model: str, arm: Arm, registry: ModelStore, blobs: Blobs, cache: Path) -> None:
    version = registry.version(model, arm.version)
    if version.digest != arm.digest:
        raise Integrity(
            f"{model}/{arm.version}: the endpoint names another digest than the registry.",
            got=arm.digest, expected=version.digest, path=MANIFEST,
        )  # fmt: skip
    materialise(version.files, blobs, cache, arm.digest)


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """One publisher at a time on this machine; a process that dies gives its turn back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(".publish.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _all(conn: sa.Connection) -> list[Endpoint]:
    rows = conn.execute(sa.select(endpoints).order_by(endpoints.c.name))
    return [_from_row(row) for row in rows]


def _get(conn: sa.Connection, name: str) -> Endpoint | None:
    row = conn.execute(sa.select(endpoints).where(endpoints.c.name == name)).first()
    return _from_row(row) if row else None


def _from_row(row: Any) -> Endpoint:
    rollout = msgspec.json.decode(row.rollout, type=Arms)
    return Endpoint(row.name, row.model, rollout.arms, row.revision, row.updated, rollout.serving)


def _newest_revision(conn: sa.Connection) -> int:
    newest: int | None = conn.execute(sa.select(sa.func.max(endpoints.c.revision))).scalar_one()
    return newest or 0


def _payload(before: Endpoint | None, model: str, rollout: Arms, revision: int) -> dict[str, Any]:
    return {
        "model": model,
        "revision": revision,
        "arms": msgspec.to_builtins(rollout.arms),
        "before": msgspec.to_builtins(before.arms) if before else None,
    }
