"""Experiments: named groups of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, invalid
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import count_on, insert_or_ignore, upsert
from everloop.store.events import EventLog
from everloop.store.filter.sql import id_list
from everloop.store.tables import experiment_tags, experiments, runs
from everloop.tracking.checks import check_key, check_text
from everloop.tracking.records import Experiment, Found, View
from everloop.tracking.search.experiments import search_experiment_ids

ARTIFACTS = "mlflow-artifacts:"
"""The scheme of artifacts that this server keeps itself."""

NAME, VALUE = 500, 20_000  # characters

_ONE = sa.select(experiments).where(experiments.c.id == sa.bindparam("experiment"))
# As in ``runs``: together with others that add to an experiment, or alone to change its row.
_ACTIVE = _ONE.with_for_update(read=True)
_ACTIVE_ALONE = _ONE.with_for_update(key_share=True)
_TAGS_OF_ONE = (
    sa.select(experiment_tags)
    .where(experiment_tags.c.experiment == sa.bindparam("experiment"))
    .order_by(experiment_tags.c.key)
)
_BY_NAME = sa.select(experiments.c.id).where(experiments.c.name == sa.bindparam("name"))


class ExperimentStore:
    """The experiments in ``db``."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    def create(
        self,
        name: str,
        location: str | None = None,
        tags: Mapping[str, str] | None = None,
        id: int | None = None,
        created: int | None = None,
    ) -> Experiment:
        """Add an experiment; its artifacts lie at ``location``, here when that is not given.

        Raises :class:`~everloop.errors.Conflict` when the name is taken, by a deleted one too.
        """
        check_key("experiment", name, NAME)
        now = now_ms() if created is None else created
        row = {"name": name, "location": location, "created": now, "updated": now}
        if id is not None:
            row["id"] = id
        with self.db.write() as conn:
            statement = insert_or_ignore(experiments).returning(experiments.c.id)
            number = conn.execute(statement, row).scalar()
            if number is None:
                raise _taken(conn, name)
            if id is not None:
                count_on(conn, experiments.c.id)
            set_tags(conn, number, tags or {})
            return _read(conn, [number])[0]

    def get(self, id: int) -> Experiment:
        """One experiment; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.read() as conn:
            found = _read(conn, [id]) if 0 <= id < 2**31 else []
        if not found:
            raise missing(id)
        return found[0]

    def by_name(self, name: str) -> Experiment | None:
        """The experiment of that name, a deleted one too, or None."""
        with self.db.read() as conn:
            number = conn.execute(_BY_NAME, {"name": name}).scalar()
            return None if number is None else _read(conn, [number])[0]

    def rename(self, id: int, name: str) -> Experiment:
        """Give an experiment another name."""
        check_key("experiment", name, NAME)
        with self.db.write() as conn:
            require_active(conn, id, alone=True)
            try:
                with conn.begin_nested():
                    _update(conn, id, name=name)
            except sa.exc.IntegrityError:
                raise _taken(conn, name) from None
            return _read(conn, [id])[0]

    def delete(self, id: int, actor: str) -> None:
        """Mark an experiment and its runs as deleted; ``gc`` frees them later."""
        with self.events.transaction() as conn:
            require_active(conn, id, alone=True)
            now = now_ms()
            _update(conn, id, deleted=now)
            inside = (runs.c.experiment == id) & runs.c.deleted.is_(None)
            conn.execute(sa.update(runs).where(inside).values(deleted=now))
            self._event(conn, actor, "experiment.deleted", id)

    def restore(self, id: int, actor: str) -> None:
        """Take a deletion back, for the runs that were deleted with it too."""
        with self.events.transaction() as conn:
            row = _require(conn, id, alone=True)
            if row.deleted is None:
                raise Conflict(
                    f"The experiment {id} is not deleted.", code="experiment_active", got=id
                )
            _update(conn, id, deleted=None)
            inside = (runs.c.experiment == id) & (runs.c.deleted == row.deleted)
            conn.execute(sa.update(runs).where(inside).values(deleted=None))
            self._event(conn, actor, "experiment.restored", id)

    def set_tag(self, id: int, key: str, value: str) -> None:
        """Keep a tag; the last value of a key wins."""
        with self.db.write() as conn:
            require_active(conn, id, alone=True)
            set_tags(conn, id, {key: value})

    def delete_tag(self, id: int, key: str) -> None:
        """Remove a tag; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.write() as conn:
            require_active(conn, id)
            here = (experiment_tags.c.experiment == id) & (experiment_tags.c.key == key)
            if conn.execute(sa.delete(experiment_tags).where(here)).rowcount == 0:
                raise NotFound(
                    f"The experiment {id} has no tag {key!r}.", code="tag_not_found", got=key
                )

    def search(
        self,
        filter: str = "",
        order_by: Sequence[str] = (),
        view: View = "active",
        limit: int = 100,
        token: str | None = None,
    ) -> Found[Experiment]:
        """Experiments that a filter such as ``name LIKE 'a%' AND tags.team = 'x'`` leaves."""
        with self.db.read() as conn:
            found = search_experiment_ids(
                conn, filter=filter, order_by=order_by, view=view, limit=limit, token=token
            )
            return Found(_read(conn, found.items), found.next)

    def _event(self, conn: sa.Connection, actor: str, kind: str, id: int) -> None:
        self.events.append(conn, actor=actor, kind=kind, subject=f"experiment:{id}", payload={})


def number_named(db: Database, name: str) -> int:
    """The id of the experiment of that name, deleted or not; raises NotFound."""
    with db.read() as conn:
        number = conn.execute(_BY_NAME, {"name": name}).scalar()
    if number is None:
        raise NotFound(f"There is no experiment {name!r}.", code="experiment_not_found", got=name)
    return int(number)


def own_location(id: int, location: str | None) -> str:
    """Where an experiment's artifacts lie, as a URI."""
    return f"{ARTIFACTS}/{id}" if location is None else location


def set_tags(conn: sa.Connection, id: int, tags: Mapping[str, str]) -> None:
    """Keep an experiment's tags, in the caller's transaction."""
    rows = [
        {
            "experiment": id,
            "key": check_key("tag", key, 250),
            "value": check_text(f"tags.{key}", value, VALUE),
        }
        for key, value in tags.items()
    ]
    if rows:
        conn.execute(upsert(experiment_tags, ["experiment", "key"], ["value"]), rows)
        _update(conn, id)


def require_active(conn: sa.Connection, id: int, alone: bool = False) -> Any:
    """The row of an experiment that is there and not deleted.

    Whoever changes the row, and does not only add to the experiment, asks for it ``alone``.
    """
    row = _require(conn, id, alone)
    if row.deleted is not None:
        raise Conflict(
            f"The experiment {id} is deleted; restore it first.",
            code="experiment_deleted",
            got=id,
        )
    return row


def _require(conn: sa.Connection, id: int, alone: bool) -> Any:
    query = _ACTIVE_ALONE if alone else _ACTIVE
    row = conn.execute(query, {"experiment": id}).first() if 0 <= id < 2**31 else None
    if row is None:
        raise missing(id)
    return row


def missing(id: object) -> NotFound:
    """The refusal of an id that no experiment has."""
    return NotFound(f"There is no experiment {id}.", code="experiment_not_found", got=id)


def _update(conn: sa.Connection, id: int, **values: Any) -> None:
    change = sa.update(experiments).where(experiments.c.id == id)
    conn.execute(change.values(updated=now_ms(), **values))


def _read(conn: sa.Connection, ids: Sequence[int]) -> list[Experiment]:
    rows, tag_rows = _rows(conn, ids)
    tags: dict[int, dict[str, str]] = {id: {} for id in ids}
    for tag in tag_rows:
        tags[tag.experiment][tag.key] = tag.value
    found = {
        row.id: Experiment(
            id=row.id,
            name=row.name,
            location=own_location(row.id, row.location),
            created=row.created,
            updated=row.updated,
            deleted=row.deleted,
            tags=tags[row.id],
        )
        for row in rows
    }
    return [found[id] for id in ids if id in found]


def _rows(conn: sa.Connection, ids: Sequence[int]) -> tuple[Any, Any]:
    if len(ids) == 1:
        one = {"experiment": ids[0]}
        return conn.execute(_ONE, one), conn.execute(_TAGS_OF_ONE, one)
    rows = sa.select(experiments).where(experiments.c.id.in_(id_list(ids)))
    tags = sa.select(experiment_tags).where(experiment_tags.c.experiment.in_(id_list(ids)))
    return conn.execute(rows), conn.execute(tags.order_by(experiment_tags.c.key))


def _taken(conn: sa.Connection, name: str) -> Conflict | Exception:
    query = sa.select(experiments.c.deleted).where(experiments.c.name == name)
    row = conn.execute(query).first()
    if row is None:
        return invalid("experiment.id", name, "a number that no other experiment has")
    state = "a deleted experiment" if row.deleted is not None else "another experiment"
    return Conflict(
        f"The name {name!r} is taken by {state}.",
        code="experiment_exists",
        path="name",
        got=name,
        fix="Restore it, or choose another name." if row.deleted is not None else None,
    )
