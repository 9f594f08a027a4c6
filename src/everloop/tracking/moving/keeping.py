"""Records that move in, as rows: in bulk, each as often as one likes.

What is there already and equal is not written again. Points come before the newest value of their
metric, so a run whose newest values are here has all its points here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.registry.aliases import MANAGED
from everloop.registry.names import check_model_name
from everloop.store.database import Database
from everloop.store.dialect import count_on, insert_or_ignore, upsert
from everloop.store.events import EventLog
from everloop.store.tables import (
    experiment_tags,
    experiments,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
    model_aliases,
    model_tags,
    model_version_tags,
    model_versions,
    models,
    run_datasets,
    run_inputs,
    run_models,
    run_params,
    run_tags,
    runs,
)
from everloop.store.texts import json_text
from everloop.tracking.moving.reading import (
    count_points,
    read_experiments,
    read_logged_models,
    read_model,
    read_runs,
)
from everloop.tracking.moving.records import (
    Latest,
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    PointRow,
    Texts,
)
from everloop.tracking.points import INSERT_POINT, UPSERT_NEWEST

_RUN_CHANGES = ("name", "user", "status", "started", "finished", "deleted", "location")
_MODEL_CHANGES = ("run", "name", "type", "status", "message", "location", "updated", "deleted")
_VERSION_CHANGES = (
    "updated", "description", "user", "stage", "source", "location", "run", "run_link",
    "logged_model", "status", "status_message",
)  # fmt: skip


class Keeper:
    """Writes to ``db``; registered models are told to ``events``."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    # -- experiments -----------------------------------------------------------------------------

    def add_experiment(self, wanted: MovedExperiment, tag: tuple[str, str]) -> int:
        """Make an experiment, with its own id when that is free; returns its id."""
        row = {
            "name": wanted.name,
            "location": wanted.location,
            "created": wanted.created,
            "updated": wanted.updated,
            "deleted": wanted.deleted,
        }
        with self.db.write() as conn:
            number = None
            if wanted.id < 2**31:
                with_id = insert_or_ignore(experiments).returning(experiments.c.id)
                number = conn.execute(with_id, row | {"id": wanted.id}).scalar()
            if number is None:
                fresh = sa.insert(experiments).returning(experiments.c.id)
                number = conn.execute(fresh, row).scalar_one()
            else:
                count_on(conn, experiments.c.id)
            _keep_texts(conn, experiment_tags, "experiment", number, dict([tag]))
        return int(number)

    def update_experiment(self, wanted: MovedExperiment, whole: bool) -> None:
        """Give an experiment its tags and, with ``whole``, its state."""
        with self.db.write() as conn:
            here = read_experiments(conn, [wanted.id])[0]
            _keep_texts(conn, experiment_tags, "experiment", wanted.id, wanted.tags, here.tags)
            if whole and (here.deleted is None) != (wanted.deleted is None):
                change = sa.update(experiments).where(experiments.c.id == wanted.id)
                conn.execute(change.values(deleted=wanted.deleted, updated=wanted.updated))

    # -- runs ------------------------------------------------------------------------------------

    def incomplete(
        self, wanted: Sequence[MovedRun], counts: Mapping[str, int] | None
    ) -> list[MovedRun]:
        """Those whose points are not all here, as far as that can be told without reading them."""
        ids = [run.id for run in wanted]
        with self.db.read() as conn:
            here = {run.id: run.latest for run in read_runs(conn, ids)}
            own = count_points(conn, ids) if counts is not None else {}
        return [
            run
            for run in wanted
            if here.get(run.id) != run.latest
            or (counts is not None and own.get(run.id, 0) != counts.get(run.id, 0))
        ]

    def keep_runs(self, wanted: Sequence[MovedRun]) -> dict[str, int]:
        """Runs with params, tags and what they used; the numbers of those that are here."""
        ids = [run.id for run in wanted]
        with self.db.write() as conn:
            here = {run.id: run for run in read_runs(conn, ids)}
            fresh = [run for run in wanted if run.id not in here]
            if fresh:
                conn.execute(insert_or_ignore(runs), [_run_row(run) for run in fresh])
            query = sa.select(runs.c.id, runs.c.number).where(runs.c.id.in_(ids))
            numbers = {row.id: row.number for row in conn.execute(query)}
            for run in wanted:
                _update_run(conn, run, here.get(run.id), numbers[run.id])
            for table, name in ((run_params, "params"), (run_tags, "tags")):
                _keep_rows(conn, table, _text_rows(name, wanted, here, numbers))
        return numbers

    def keep_points(self, points: Sequence[PointRow], numbers: Mapping[str, int]) -> None:
        """Points, in a transaction of their own."""
        rows = [
            {"run": numbers[p.run], "key": p.key, "at": p.at, "step": p.step, "value": p.value,
             "nan": p.nan}
            for p in points
        ]  # fmt: skip
        if rows:
            with self.db.write() as conn:
                conn.execute(INSERT_POINT, rows)

    def keep_newest(
        self, newest: Mapping[tuple[str, str], Latest], wanted: Sequence[MovedRun],
        numbers: Mapping[str, int],
    ) -> None:  # fmt: skip
        """The newest points, when all points are here."""
        experiment = {run.id: run.experiment for run in wanted}
        rows = [
            {"run": numbers[run], "key": key, "experiment": experiment[run], **one._asdict()}
            for (run, key), one in sorted(newest.items())
        ]
        if rows:
            with self.db.write() as conn:
                conn.execute(UPSERT_NEWEST, rows)

    # -- logged models ---------------------------------------------------------------------------

    def keep_logged_models(self, wanted: Sequence[MovedLoggedModel]) -> None:
        """Logged models with all that belongs to them."""
        with self.db.write() as conn:
            here = {one.id: one for one in read_logged_models(conn, [one.id for one in wanted])}
            for one in wanted:
                if here.get(one.id) != one:
                    _keep_logged_model(conn, one)

    # -- the registry ----------------------------------------------------------------------------

    def keep_model(self, wanted: MovedModel, *, actor: str, origin: str, merge: bool) -> None:
        """A registered model with its versions; an event tells that it came.

        An alias that decides what serves stays where it points, as all do with ``merge``.
        """
        check_model_name(wanted.name)
        with self.events.transaction() as conn:
            here = read_model(conn, wanted.name)
            if here is not None and _holds(here, wanted):
                return
            row = {
                "name": wanted.name,
                "description": wanted.description,
                "last": wanted.last,
                "created": wanted.created,
                "updated": wanted.updated,
            }
            conn.execute(insert_or_ignore(models), row)
            _update_model(conn, wanted, here, merge)
            payload = {
                "from": origin,
                "versions": len(wanted.versions),
                "aliases": dict(sorted(wanted.aliases.items())),
            }
            self.events.append(
                conn, actor=actor, kind="model.imported", subject=f"model:{wanted.name}",
                payload=payload,
            )  # fmt: skip


def _run_row(run: MovedRun) -> dict[str, Any]:
    kept = ("id", "experiment", "name", "user", "status", "started", "finished", "deleted",
            "location")  # fmt: skip
    return {name: getattr(run, name) for name in kept}


def _update_run(conn: sa.Connection, run: MovedRun, here: MovedRun | None, number: int) -> None:
    if here is not None and any(getattr(here, n) != getattr(run, n) for n in _RUN_CHANGES):
        change = sa.update(runs).where(runs.c.number == number)
        conn.execute(change.values(**{n: getattr(run, n) for n in _RUN_CHANGES}))
    experiment = run.experiment if here is None else here.experiment
    if here is None or here.datasets != run.datasets:
        _keep_datasets(conn, run, experiment, number)
    if run.models and (here is None or here.models != run.models):
        rows = [{"run": number, **use._asdict()} for use in run.models]
        conn.execute(upsert(run_models, ["run", "kind", "model"], ["step"]), rows)


def _text_rows(
    name: str, wanted: Sequence[MovedRun], here: Mapping[str, MovedRun], numbers: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Params or tags of runs that are not here yet, or have another value."""
    rows = []
    for run in wanted:
        known = here.get(run.id)
        own: Texts = getattr(known, name) if known is not None else {}
        owner = {
            "run": numbers[run.id],
            "experiment": run.experiment if known is None else known.experiment,
        }
        texts: Texts = getattr(run, name)
        rows += [{**owner, "key": k, "value": v} for k, v in texts.items() if own.get(k) != v]
    return rows


def _keep_rows(conn: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        keys = [column.name for column in table.primary_key]
        conn.execute(upsert(table, keys, ["value"]), rows)


def _keep_datasets(conn: sa.Connection, run: MovedRun, experiment: int, number: int) -> None:
    for use in run.datasets:
        row = {
            "experiment": experiment,
            "name": use.name,
            "digest": use.digest,
            "source_type": use.source_type,
            "source": use.source,
            "schema": use.schema,
            "profile": use.profile,
        }
        conn.execute(insert_or_ignore(run_datasets), row)
        t = run_datasets.c
        query = sa.select(t.id).where(
            t.experiment == experiment, t.name == use.name, t.digest == use.digest
        )
        tags = json_text(use.tags)
        link = {"run": number, "dataset": conn.execute(query).scalar_one(), "tags": tags}
        conn.execute(upsert(run_inputs, ["run", "dataset"], ["tags"]), link)


def _keep_logged_model(conn: sa.Connection, one: MovedLoggedModel) -> None:
    row = {
        name: getattr(one, name)
        for name in one.__struct_fields__
        if name not in ("params", "tags", "metrics")
    }
    conn.execute(upsert(logged_models, ["id"], _MODEL_CHANGES), row)
    _keep_texts(conn, logged_model_params, "model", one.id, one.params)
    _keep_texts(conn, logged_model_tags, "model", one.id, one.tags)
    if one.metrics:
        rows = [{"model": one.id, **metric._asdict()} for metric in one.metrics]
        conn.execute(insert_or_ignore(logged_model_metrics), rows)


def _holds(here: MovedModel, wanted: MovedModel) -> bool:
    """Whether a model has all that is wanted of it, and it is the same."""
    versions = {one.version: one for one in here.versions}
    return (
        here.fingerprint() == wanted.fingerprint()
        and here.last >= wanted.last
        and wanted.tags.items() <= here.tags.items()
        and wanted.aliases.items() <= here.aliases.items()
        and all(versions.get(one.version) == one for one in wanted.versions)
    )


def _update_model(
    conn: sa.Connection, wanted: MovedModel, here: MovedModel | None, merge: bool
) -> None:
    name = wanted.name
    _keep_texts(conn, model_tags, "model", name, wanted.tags, here.tags if here else {})
    if here is not None:
        last = max(here.last, wanted.last)
        changed = {"last": last} if merge else {"last": last, "description": wanted.description}
        conn.execute(sa.update(models).where(models.c.name == name).values(**changed))
    # A version that was not imported has another key and is left alone.
    own = model_versions.c.key == sa.literal_column("excluded.key")
    statement = upsert(model_versions, ["model", "version"], _VERSION_CHANGES, where=own)
    for version in wanted.versions:
        row = {n: getattr(version, n) for n in version.__struct_fields__ if n not in ("tags",)} | {
            "model": name,
            "key": f"mlflow {version.version}",
            "metrics": "{}",
            "files": "{}",
        }
        conn.execute(statement, row)
        _keep_texts(conn, model_version_tags, "model", name, version.tags, version=version.version)
    for alias, number in wanted.aliases.items():
        row = {"model": name, "alias": alias, "version": number, "updated": wanted.updated}
        stays = merge or alias in MANAGED
        keys = ["model", "alias"]
        conn.execute(
            insert_or_ignore(model_aliases) if stays else upsert(model_aliases, keys, ["version"]),
            row,
        )


def _keep_texts(
    conn: sa.Connection, table: sa.Table, owner: str, value: Any, wanted: Texts,
    here: Texts | None = None, **more: Any,
) -> None:  # fmt: skip
    """Keys and values of one owner; those that are ``here`` already are not written."""
    new = {k: v for k, v in wanted.items() if here is None or here.get(k) != v}
    rows = [{owner: value, "key": k, "value": v, **more} for k, v in sorted(new.items())]
    _keep_rows(conn, table, rows)


def newest_of(
    points: Iterable[PointRow], known: dict[tuple[str, str], Latest] | None = None
) -> dict[tuple[str, str], Latest]:
    """Of each run's metrics the newest point: the largest (step, at, value)."""
    newest: dict[tuple[str, str], Latest] = defaultdict() if known is None else known
    for run, key, at, step, value, nan in points:
        one = Latest(step, at, value, nan)
        best = newest.get((run, key))
        if best is None or one[:3] > best[:3]:
            newest[run, key] = one
    return newest
