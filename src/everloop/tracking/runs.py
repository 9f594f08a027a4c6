"""Runs: what was tried, with which params, and how it went."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, invalid
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, upsert
from everloop.store.events import EventLog
from everloop.store.tables import experiments, run_params, run_tags, runs
from everloop.tracking.artifacts.paths import below
from everloop.tracking.checks import PARAM, TAG, check_key, check_run_id, check_text, check_texts
from everloop.tracking.curves import Curve, Span, read_curves
from everloop.tracking.experiments import own_location, require_active
from everloop.tracking.names import new_name
from everloop.tracking.points import MAX_HISTORY, histories, history, keep_points, sampled
from everloop.tracking.reading import read_runs
from everloop.tracking.records import RUN_NAME, STATUSES, Found, Head, Point, Run, Status, View
from everloop.tracking.search.groups import Groups, grouped_runs
from everloop.tracking.search.keys import Keys, keys_of
from everloop.tracking.search.runs import scope_of, search_run_numbers

__all__ = ["RUN_NAME", "Point", "Run", "RunStore", "Status"]

T = TypeVar("T")

ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})

_ROW = sa.select(runs.c.number, runs.c.experiment, runs.c.deleted).where(
    runs.c.id == sa.bindparam("run")
)
# Locked, so that a deletion is either before this write or after it: together with others that
# add something to the run, or alone to change its own row. A lock is never raised from the one
# to the other, since two that did so would wait for each other.
_RUN = _ROW.with_for_update(read=True)
_RUN_ALONE = _ROW.with_for_update(key_share=True)
_PARAM = insert_or_ignore(run_params)
_PARAMS = sa.select(run_params.c.key, run_params.c.value).where(
    run_params.c.run == sa.bindparam("run")
)
_PARAM_OVER = upsert(run_params, ["run", "key"], ["value"])
_TAG = upsert(run_tags, ["run", "key"], ["value"])
_NEW = insert_or_ignore(runs).returning(runs.c.number)
_NUMBER = sa.select(runs.c.number).where(runs.c.id == sa.bindparam("run"))
_HERE = sa.update(runs).where(runs.c.number == sa.bindparam("row"))
_NAME = _HERE.values(name=sa.bindparam("name"))


class RunStore:
    """The runs in ``db``; deletions are told to ``events``."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    # -- a run's life ----------------------------------------------------------------------------

    def create(
        self,
        experiment_id: int,
        *,
        name: str | None = None,
        user: str = "",
        started: int | None = None,
        tags: Mapping[str, str] | None = None,
        run: str | None = None,
    ) -> Run:
        """Begin a run in an experiment that is there and not deleted.

        A caller that may be interrupted gives the id ``run`` itself; the same one again changes
        nothing.
        """
        run = uuid.uuid4().hex if run is None else check_run_id(run)
        tags = dict(tags or {})
        name = name or tags.get(RUN_NAME) or new_name()
        tags[RUN_NAME] = name
        with self.db.write() as conn:
            experiment = require_active(conn, experiment_id)
            place = own_location(experiment.id, experiment.location)
            row = {
                "id": run,
                "experiment": experiment.id,
                "name": check_text("name", name, TAG),
                "user": check_text("user", user, 256),
                "status": "RUNNING",
                "started": now_ms() if started is None else started,
                "location": below(place, run, "artifacts"),
            }
            number = conn.execute(_NEW, row).scalar()
            if number is None:
                number = number_of(conn, run)
            else:
                keep_tags(conn, number, experiment.id, tags)
            return read_runs(conn, [number])[0]

    def get_many(self, ids: Sequence[str]) -> dict[str, Run]:
        """Whole runs by id, in a few statements; ids that no run has are left out."""
        with self.db.read() as conn:
            numbers = _numbers(conn, ids)
            return {run.id: run for run in read_runs(conn, list(numbers.values()))}

    def get(self, run: str) -> Run:
        """One run; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.read() as conn:
            return read_runs(conn, [number_of(conn, run)])[0]

    def update(
        self,
        run: str,
        *,
        status: Status | None = None,
        finished: int | None = None,
        name: str | None = None,
    ) -> Run:
        """Change a run's status, the time it ended or its name."""
        if status is not None and status not in STATUSES:
            raise invalid("status", status, "one of " + ", ".join(STATUSES))
        values: dict[str, Any] = {"status": status, "finished": finished, "name": name}
        values = {key: value for key, value in values.items() if value is not None and value != ""}
        with self.db.write() as conn:
            row = active(conn, run, alone=True)
            if values:
                conn.execute(_HERE, {"row": row.number, **values})
            if name:
                keep_tags(conn, row.number, row.experiment, {RUN_NAME: name})
            return read_runs(conn, [row.number])[0]

    def delete(self, run: str, actor: str) -> None:
        """Mark a run as deleted; ``gc`` frees it later."""
        with self.events.transaction() as conn:
            number = number_of(conn, run)
            here = (runs.c.number == number) & runs.c.deleted.is_(None)
            if conn.execute(sa.update(runs).where(here).values(deleted=now_ms())).rowcount == 0:
                raise deleted(run)
            self._event(conn, actor, "run.deleted", run, {})

    def restore(self, run: str, actor: str) -> None:
        """Take a deletion back."""
        with self.events.transaction() as conn:
            number = number_of(conn, run)
            here = (runs.c.number == number) & runs.c.deleted.is_not(None)
            if conn.execute(sa.update(runs).where(here).values(deleted=None)).rowcount == 0:
                raise Conflict(f"The run {run} is not deleted.", code="run_active", got=run)
            self._event(conn, actor, "run.restored", run, {})

    def _event(
        self, conn: sa.Connection, actor: str, kind: str, run: str, said: dict[str, Any]
    ) -> None:
        self.events.append(conn, actor=actor, kind=kind, subject=f"run:{run}", payload=said)

    # -- what is logged to it --------------------------------------------------------------------

    def log(
        self,
        run: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        replace: bool = False,
    ) -> None:
        """Keep points of metrics, params and tags: all of them, or none.

        A param that has another value already is a :class:`~everloop.errors.Conflict`
        ``param_changed``, unless ``replace`` is set. The last value of a tag wins.
        """
        with self.db.write() as conn:
            row = active(conn, run, alone=RUN_NAME in (tags or ()))
            if points:
                keep_points(conn, row.number, row.experiment, points)
            if params:
                keep_params(conn, row, run, params, replace)
            if tags:
                keep_tags(conn, row.number, row.experiment, tags)
                if RUN_NAME in tags:
                    conn.execute(_NAME, {"row": row.number, "name": tags[RUN_NAME]})

    def delete_tag(self, run: str, key: str) -> None:
        """Remove a tag; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.write() as conn:
            row = active(conn, run)
            here = (run_tags.c.run == row.number) & (run_tags.c.key == key)
            if conn.execute(sa.delete(run_tags).where(here)).rowcount == 0:
                raise NotFound(f"The run {run} has no tag {key!r}.", code="tag_not_found", got=key)

    def annotate(
        self, run: str, tags: Mapping[str, str], remove: Sequence[str] = (), *, actor: str
    ) -> None:
        """Set and remove tags by a person's hand, with an event; what is not there stays away."""
        with self.events.transaction() as conn:
            row = active(conn, run, alone=RUN_NAME in tags)
            keep_tags(conn, row.number, row.experiment, tags)
            if RUN_NAME in tags:
                conn.execute(_NAME, {"row": row.number, "name": tags[RUN_NAME]})
            for key in remove:
                here = (run_tags.c.run == row.number) & (run_tags.c.key == key)
                conn.execute(sa.delete(run_tags).where(here))
            said = {"set": sorted(tags), "removed": sorted(remove)}
            self._event(conn, actor, "run.annotated", run, said)

    # -- reading ---------------------------------------------------------------------------------

    def history(
        self, run: str, key: str, limit: int | None = None, token: str | None = None
    ) -> Found[Point]:
        """A metric's points by time, step and value; a page of at most 100,000."""
        with self.db.read() as conn:
            return history(conn, number_of(conn, run), key, limit, token)

    def histories(
        self, ids: Sequence[str], key: str, limit: int = MAX_HISTORY
    ) -> dict[str, list[Point]]:
        """A metric's points of several runs, in the order of their ids, ``limit`` points in all.

        Runs without such points, and ids that no run has, are left out.
        """
        with self.db.read() as conn:
            return histories(conn, ids, key, max(0, min(limit, MAX_HISTORY)))

    def sampled(
        self,
        ids: Sequence[str],
        key: str,
        first: int | None = None,
        last: int | None = None,
        limit: int = 2500,
    ) -> dict[str, list[Point]]:
        """A metric of several runs at about ``limit`` steps, evenly spread, for a chart.

        Ids that no run has are left out.
        """
        with self.db.read() as conn:
            numbers = _numbers(conn, ids)
            found = sampled(conn, list(numbers.values()), key, first, last, limit)
            return {run: found[numbers[run]] for run in ids if run in numbers}

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        """What the runs are called and how they are, by id; ids that no run has are left out."""
        columns = (runs.c[name] for name in Head.__struct_fields__)
        with self.db.read() as conn:
            rows = conn.execute(sa.select(*columns).where(runs.c.id.in_(ids))).all()
        return {row.id: Head(*row) for row in rows}

    def curves(
        self, ids: Sequence[str], key: str, span: Span | None = None, most: int = 1000
    ) -> dict[str, Curve]:
        """A metric of several runs for a chart, each with at most ``most`` points.

        The least and the greatest of them are those of all points. Ids that no run has are left
        out.
        """
        with self.db.read() as conn:
            numbers = _numbers(conn, ids)
            found = read_curves(conn, list(numbers.values()), key, span or Span(), most)
            return {run: found[numbers[run]] for run in ids if run in numbers}

    def search(
        self,
        experiments: Sequence[int] | None = None,
        filter: str = "",
        order_by: Sequence[str] = (),
        view: View = "active",
        limit: int = 100,
        token: str | None = None,
    ) -> Found[Run]:
        """Runs of some experiments (None: of all) that a filter leaves, newest first by default."""
        return self.search_as(read_runs, experiments, filter, order_by, view, limit, token)

    def search_as(
        self,
        read: Callable[[sa.Connection, Sequence[int]], list[T]],
        experiments: Sequence[int] | None,
        filter: str,
        order_by: Sequence[str],
        view: View,
        limit: int,
        token: str | None,
    ) -> Found[T]:
        """:meth:`search`, where ``read`` makes of the runs' numbers what is wanted of them."""
        with self.db.read() as conn:
            found = search_run_numbers(
                conn,
                experiments=experiments,
                filter=filter,
                order_by=order_by,
                view=view,
                limit=limit,
                token=token,
            )
            return Found(read(conn, found.items), found.next)

    def groups(
        self,
        by: str,
        experiments: Sequence[int] | None = None,
        filter: str = "",
        metrics: Sequence[str] = (),
        order_by: Sequence[str] = (),
        view: View = "active",
    ) -> Groups:
        """Runs by ``status``, ``experiment``, ``params.NAME`` or ``tags.NAME``: how many, and the
        least, mean and largest of some metrics (at most 8). The largest groups come first, or
        those with the best mean where ``order_by`` begins with one of the metrics.
        """
        with self.db.read() as conn:
            return grouped_runs(
                conn, by=by, experiments=experiments, filter=filter, metrics=metrics,
                order_by=order_by, view=view,
            )  # fmt: skip

    def keys(self, experiments: Sequence[int] | None = None, view: View = "active") -> Keys:
        """Names of metrics, params and tags of some experiments' runs, or of the newest ones'."""
        with self.db.read() as conn:
            return keys_of(conn, scope_of(conn, experiments, view))

    # -- what the loop's steps say ---------------------------------------------------------------

    def start(
        self,
        experiment: str,
        name: str | None,
        tags: Mapping[str, str] | None = None,
        run: str | None = None,
        user: str = "",
        started: int | None = None,
    ) -> str:
        """Begin a run, and its experiment when that is new; returns the run's id."""
        check_key("experiment", experiment, 500)
        now = now_ms()
        with self.db.write() as conn:
            row = {"name": experiment, "created": now, "updated": now}
            conn.execute(insert_or_ignore(experiments), row)
            query = sa.select(experiments.c.id).where(experiments.c.name == experiment)
            group = conn.execute(query).scalar_one()
        return self.create(group, name=name, tags=tags, run=run, user=user, started=started).id

    def log_params(self, run: str, params: Mapping[str, Any], replace: bool = False) -> None:
        """:meth:`log` of params alone."""
        self.log(run, params=params, replace=replace)

    def log_tags(self, run: str, tags: Mapping[str, Any]) -> None:
        """:meth:`log` of tags alone."""
        self.log(run, tags=tags)

    def log_metrics(
        self, run: str, metrics: Mapping[str, float], step: int = 0, at: int | None = None
    ) -> None:
        """:meth:`log` of metrics at one step; ``at`` is now when it is not given."""
        when = now_ms() if at is None else at
        self.log(run, points=[Point(key, value, when, step) for key, value in metrics.items()])

    def finish(self, run: str, status: Status = "FINISHED") -> None:
        """End a run; a run that has ended keeps its time."""
        if status not in ENDED:
            raise invalid("status", status, "FINISHED, FAILED or KILLED")
        with self.db.write() as conn:
            row = active(conn, run, alone=True)
            time = sa.func.coalesce(runs.c.finished, now_ms())
            change = sa.update(runs).where(runs.c.number == row.number)
            conn.execute(change.values(status=status, finished=time))


def active(conn: sa.Connection, run: str, alone: bool = False) -> Any:
    """Number and experiment of a run that may be written to.

    Whoever changes the run's own row, and does not only add to it, asks for it ``alone``.
    """
    row = conn.execute(_RUN_ALONE if alone else _RUN, {"run": run}).first()
    if row is None:
        raise missing(run)
    if row.deleted is not None:
        raise deleted(run)
    return row


def _numbers(conn: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    """The numbers of the runs that are there."""
    query = sa.select(runs.c.id, runs.c.number).where(runs.c.id.in_(ids))
    return {row.id: row.number for row in conn.execute(query)}


def number_of(conn: sa.Connection, run: str) -> int:
    """A run's number, deleted or not."""
    number = conn.execute(_NUMBER, {"run": run}).scalar()
    if number is None:
        raise missing(run)
    return int(number)


def missing(run: str) -> NotFound:
    """The refusal of an id that no run has."""
    return NotFound(f"There is no run {run!r}.", code="run_not_found", got=run)


def deleted(run: str) -> Conflict:
    """The refusal of a write to a deleted run."""
    return Conflict(
        f"The run {run} is deleted; restore it first.", code="run_deleted", path="run", got=run
    )


def keep_params(
    conn: sa.Connection, row: Any, run: str, params: Mapping[str, Any], replace: bool = False
) -> None:
    """Write params of a run, of which ``row`` is the one of :func:`active`."""
    wanted = _rows("params", row.number, row.experiment, params, PARAM)
    if replace:
        conn.execute(_PARAM_OVER, wanted)
        return
    if conn.execute(_PARAM, wanted).rowcount == len(wanted):
        return
    kept = {one.key: one.value for one in conn.execute(_PARAMS, {"run": row.number})}
    changed = [
        {"key": one["key"], "old_value": kept[one["key"]], "new_value": one["value"]}
        for one in wanted
        if kept[one["key"]] != one["value"]
    ]
    if changed:
        first = changed[0]
        raise Conflict(
            f"params.{first['key']}: got {first['new_value']!r}, but the run has "
            f"{first['old_value']!r} already; a param is written once.",
            code="param_changed",
            path=f"params.{first['key']}",
            got=changed,
            expected=first["old_value"],
        )


def keep_tags(conn: sa.Connection, run: int, experiment: int, tags: Mapping[str, Any]) -> None:
    """Write tags of a run, in the caller's transaction."""
    if tags:
        conn.execute(_TAG, _rows("tags", run, experiment, tags, TAG))


def _rows(
    field: str, run: int, experiment: int, values: Mapping[str, Any], limit: int
) -> list[dict[str, Any]]:
    texts = check_texts(field, values, limit)
    return [
        {"run": run, "experiment": experiment, "key": key, "value": texts[key]}
        for key in sorted(texts)
    ]
