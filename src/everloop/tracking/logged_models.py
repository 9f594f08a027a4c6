"""Logged models: what a run trained and kept, before it is registered under a name."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, invalid
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, upsert
from everloop.store.tables import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from everloop.tracking.artifacts.paths import below
from everloop.tracking.checks import PARAM, TAG, check_key, check_text, check_texts
from everloop.tracking.experiments import own_location, require_active
from everloop.tracking.model_points import missing
from everloop.tracking.names import new_name
from everloop.tracking.records import (
    Found,
    LoggedModel,
    LoggedModelMetric,
    MeasuredOn,
    ModelOrder,
    ModelStatus,
)
from everloop.tracking.search.logged_models import search_logged_model_ids

STATUSES: tuple[ModelStatus, ...] = ("PENDING", "READY", "FAILED")

NAME, TYPE = 500, 500  # characters

_ID = re.compile(r"m-[0-9a-f]{32}")
_BAD_IN_NAME = "/:.%\"'"

_PARAM = insert_or_ignore(logged_model_params)
_TAG = upsert(logged_model_tags, ["model", "key"], ["value"])


class LoggedModelStore:
    """The logged models in ``db``."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def create(
        self,
        experiment_id: int,
        *,
        name: str | None = None,
        run: str | None = None,
        type: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        id: str | None = None,
        created: int | None = None,
    ) -> LoggedModel:
        """Add a model, ``PENDING`` until it is finalised.

        A name is made up when none is given. A caller that may be interrupted gives the ``id``
        itself; the same one again changes nothing.
        """
        id = f"m-{uuid.uuid4().hex}" if id is None else check_model_id(id)
        now = now_ms() if created is None else created
        row = {
            "id": id,
            "run": None if run is None else check_text("run", run, 32),
            "name": new_name() if name is None else check_model_name(name),
            "type": None if type is None else check_text("type", type, TYPE),
            "status": "PENDING",
            "created": now,
            "updated": now,
        }
        with self.db.write() as conn:
            experiment = require_active(conn, experiment_id)
            place = own_location(experiment.id, experiment.location)
            row["experiment"] = experiment.id
            row["location"] = below(place, "models", id, "artifacts")
            if conn.execute(
                insert_or_ignore(logged_models).returning(logged_models.c.id), row
            ).first():
                _keep_params(conn, id, params or {})
                _keep_tags(conn, id, tags or {})
            return read_models(conn, [id])[0]

    def get(self, id: str, deleted: bool = False) -> LoggedModel:
        """One model; raises :class:`~everloop.errors.NotFound` when there is none.

        One that was deleted is there only for those who ask with ``deleted``.
        """
        with self.db.read() as conn:
            found = read_models(conn, [id])
        if not found or (found[0].deleted is not None and not deleted):
            raise missing(id)
        return found[0]

    def finalise(self, id: str, status: ModelStatus, message: str | None = None) -> LoggedModel:
        """Say how the making of a model went: ``READY`` or ``FAILED``, and why."""
        if status not in STATUSES:
            raise invalid("status", status, "one of " + ", ".join(STATUSES))
        with self.db.write() as conn:
            _update(conn, id, status=status, message=message)
            return read_models(conn, [id])[0]

    def delete(self, id: str) -> None:
        """Mark a model as deleted; ``gc`` frees it later. Once more changes nothing."""
        with self.db.write() as conn:
            _require(conn, id)
            here = (logged_models.c.id == id) & logged_models.c.deleted.is_(None)
            now = now_ms()
            conn.execute(sa.update(logged_models).where(here).values(deleted=now, updated=now))

    def log_params(self, id: str, params: Mapping[str, Any]) -> None:
        """Keep params; one with another value already is a Conflict ``param_changed``."""
        with self.db.write() as conn:
            _require(conn, id)
            _keep_params(conn, id, params)

    def set_tags(self, id: str, tags: Mapping[str, Any]) -> None:
        """Keep tags; the last value of a key wins."""
        with self.db.write() as conn:
            _require(conn, id)
            _keep_tags(conn, id, tags)

    def delete_tag(self, id: str, key: str) -> None:
        """Remove a tag; raises :class:`~everloop.errors.NotFound` when there is none."""
        t = logged_model_tags.c
        with self.db.write() as conn:
            _require(conn, id)
            here = (t.model == id) & (t.key == key)
            if conn.execute(sa.delete(logged_model_tags).where(here)).rowcount == 0:
                raise NotFound(
                    f"The logged model {id} has no tag {key!r}.", code="tag_not_found", got=key
                )

    def search(
        self,
        experiments: Sequence[int],
        filter: str = "",
        datasets: Sequence[MeasuredOn] = (),
        order_by: Sequence[ModelOrder] = (),
        limit: int = 100,
        token: str | None = None,
    ) -> Found[LoggedModel]:
        """Models of some experiments that a filter leaves, newest first by default.

        With ``datasets``, conditions on metrics mean those measured on one of these.
        """
        with self.db.read() as conn:
            found = search_logged_model_ids(
                conn,
                experiments=experiments,
                filter=filter,
                datasets=datasets,
                order_by=order_by,
                limit=limit,
                token=token,
            )
            return Found(read_models(conn, found.items), found.next)


def read_models(conn: sa.Connection, ids: Sequence[str]) -> list[LoggedModel]:
    """The models of these ids, in this order: four queries, however many models."""
    rows = conn.execute(sa.select(logged_models).where(logged_models.c.id.in_(ids))).all()
    params, tags = _texts(conn, logged_model_params, ids), _texts(conn, logged_model_tags, ids)
    metrics = _metrics_of(conn, ids)
    found = {
        row.id: LoggedModel(
            experiment_id=row.experiment,
            params=params[row.id],
            tags=tags[row.id],
            metrics=metrics[row.id],
            **{key: value for key, value in row._mapping.items() if key != "experiment"},
        )
        for row in rows
    }
    return [found[id] for id in ids if id in found]


def check_model_id(id: str) -> str:
    """``id`` when it looks like a logged model's; raises InvalidInput otherwise."""
    if not _ID.fullmatch(id):
        raise invalid("id", id, '"m-" and 32 lower-case hexadecimal digits')
    return id


def check_model_name(name: str) -> str:
    """``name`` when a logged model may be called so; raises InvalidInput otherwise."""
    check_key("name", name, NAME)
    if any(character in name for character in _BAD_IN_NAME):
        raise invalid("name", name, f"a name without any of {' '.join(_BAD_IN_NAME)}")
    return name


def _require(conn: sa.Connection, id: str) -> None:
    query = sa.select(logged_models.c.id).where(logged_models.c.id == id)
    if conn.execute(query.with_for_update(read=True, key_share=True)).first() is None:
        raise missing(id)


def _update(conn: sa.Connection, id: str, **values: Any) -> None:
    change = sa.update(logged_models).where(logged_models.c.id == id)
    if conn.execute(change.values(updated=now_ms(), **values)).rowcount == 0:
        raise missing(id)


def _keep_params(conn: sa.Connection, id: str, params: Mapping[str, Any]) -> None:
    wanted = _rows("params", id, params, PARAM)
    if not wanted:
        return
    conn.execute(_PARAM, wanted)
    kept = _texts(conn, logged_model_params, [id])[id]
    changed = [row for row in wanted if kept[row["key"]] != row["value"]]
    if changed:
        key, value = changed[0]["key"], changed[0]["value"]
        raise Conflict(
            f"params.{key}: got {value!r}, but the model has {kept[key]!r} already; a param is "
            "written once.",
            code="param_changed",
            path=f"params.{key}",
            got=value,
            expected=kept[key],
        )


def _keep_tags(conn: sa.Connection, id: str, tags: Mapping[str, Any]) -> None:
    if tags:
        conn.execute(_TAG, _rows("tags", id, tags, TAG))


def _rows(field: str, id: str, values: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    texts = check_texts(field, values, limit)
    return [{"model": id, "key": key, "value": texts[key]} for key in sorted(texts)]


def _texts(conn: sa.Connection, table: sa.Table, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {id: {} for id in ids}
    t = table.c
    query = sa.select(t.model, t.key, t.value).where(t.model.in_(ids)).order_by(t.model, t.key)
    for model, key, value in conn.execute(query):
        found[model][key] = value
    return found


def _metrics_of(conn: sa.Connection, ids: Sequence[str]) -> dict[str, list[LoggedModelMetric]]:
    found: dict[str, list[LoggedModelMetric]] = {id: [] for id in ids}
    t = logged_model_metrics.c
    query = sa.select(logged_model_metrics).where(t.model.in_(ids))
    for row in conn.execute(query.order_by(t.model, t.key, t.at, t.step, t.run)):
        found[row.model].append(
            LoggedModelMetric(
                key=row.key,
                value=math.nan if row.nan else row.value,
                at=row.at,
                step=row.step,
                run=row.run,
                dataset_name=row.dataset_name,
                dataset_digest=row.dataset_digest,
            )
        )
    return found
