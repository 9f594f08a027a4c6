"""Registered models, their versions and the aliases that point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import Conflict
from everloop.registry._base import Serving
from everloop.registry.aliases import CHAMPION, MANAGED
from everloop.registry.names import check_model_name
from everloop.registry.reading import read_model, require_model
from everloop.registry.records import (
    Model,
    ModelVersion,
    check_description,
    check_tags,
    is_prompt,
)
from everloop.registry.search import search_models
from everloop.registry.tags import Tags, write_model_tags
from everloop.registry.versions import PROMPT_MARKS, Versions
from everloop.registry.webhooks.queue import announce
from everloop.store.clock import now_ms
from everloop.store.dialect import insert_or_ignore
from everloop.store.paging import Found
from everloop.store.tables import (
    model_aliases,
    model_tags,
    model_version_tags,
    model_versions,
    models,
)

__all__ = ["CHAMPION", "MANAGED", "Model", "ModelStore", "ModelVersion", "Serving"]


class ModelStore(Versions, Tags):
    """The registry in ``db``; each change is an event in the same transaction."""

    def create_model(
        self,
        name: str,
        *,
        actor: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        created: int | None = None,
        updated: int | None = None,
    ) -> Model:
        """Add a model without versions; raises Conflict when the name is taken."""
        check_model_name(name)
        check_description(description)
        kept = check_tags(tags or {})
        now = now_ms() if created is None else created
        row = {
            "name": name,
            "description": description,
            "last": 0,
            "created": now,
            "updated": updated or now,
        }
        with self.events.transaction() as conn:
            made = conn.execute(insert_or_ignore(models).returning(models.c.name), row)
            if made.first() is None:
                raise _taken(name)
            write_model_tags(conn, name, kept)
            self._event(conn, "model.created", name, actor, {})
            shown = kept
            if is_prompt(kept):
                shown = {key: value for key, value in kept.items() if key not in PROMPT_MARKS}
            entity = "prompt" if is_prompt(kept) else "registered_model"
            told = {"name": name, "tags": shown, "description": description or ""}
            announce(conn, f"{entity}.created", told)
            return read_model(conn, name)

    def get_model(self, name: str) -> Model:
        """One model; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.read() as conn:
            return read_model(conn, name)

    def search_models(
        self,
        filter: str = "",
        order_by: Sequence[str] = (),
        limit: int = 100,
        token: str | None = None,
    ) -> Found[Model]:
        """Models that a filter such as ``name LIKE 'a%' AND tags.team = 'x'`` leaves, by name.

        Prompts are among them only when the filter asks for their tag.
        """
        with self.db.read() as conn:
            return search_models(conn, filter, order_by, limit, token)

    def update_model(self, name: str, *, description: str | None, actor: str) -> Model:
        """Replace a model's description; None takes it away."""
        check_description(description)
        with self.events.transaction() as conn:
            before = require_model(conn, name)
            here = sa.update(models).where(models.c.name == name)
            conn.execute(here.values(description=description, updated=now_ms()))
            if before.description != description:
                payload = {"before": before.description, "now": description}
                self._event(conn, "model.described", name, actor, payload)
            return read_model(conn, name)

    def rename(self, name: str, new_name: str, actor: str) -> Model:
        """Give a model another name; its versions, tags and aliases go with it.

        Raises :class:`~everloop.errors.Conflict` when the name is taken, and when an endpoint
        serves the model.
        """
        check_model_name(new_name, "new_name")
        with self.events.transaction() as conn:
            require_model(conn, name)
            if new_name == name:
                return read_model(conn, name)
            self._refuse_served(name, "renamed")
            if conn.execute(sa.select(models.c.name).where(models.c.name == new_name)).first():
                raise _taken(new_name)
            _move(conn, name, new_name)
            self._event(conn, "model.renamed", name, actor, {"now": new_name})
            self._event(conn, "model.renamed", new_name, actor, {"before": name})
            return read_model(conn, new_name)

    def delete_model(self, name: str, actor: str) -> None:
        """Remove a model with all its versions; the name is free again.

        Raises :class:`~everloop.errors.Conflict` when an endpoint serves one of them.
        """
        with self.events.transaction() as conn:
            require_model(conn, name)
            self._refuse_served(name, "deleted")
            query = sa.select(model_versions.c.version).where(model_versions.c.model == name)
            numbers = list(conn.execute(query.order_by(model_versions.c.version)).scalars())
            for table in (model_aliases, model_version_tags, model_versions, model_tags):
                conn.execute(sa.delete(table).where(table.c.model == name))
            conn.execute(sa.delete(models).where(models.c.name == name))
            self._event(conn, "model.deleted", name, actor, {"versions": numbers})


def _move(conn: sa.Connection, name: str, new_name: str) -> None:
    """Rename in all tables: copies that others can refer to, then the others, then the old."""
    now = now_ms()
    _copy(conn, models, "name", name, {"name": new_name, "updated": now})
    _copy(conn, model_versions, "model", name, {"model": new_name, "updated": now})
    for table in (model_tags, model_version_tags, model_aliases):
        conn.execute(sa.update(table).where(table.c.model == name).values(model=new_name))
    conn.execute(sa.delete(model_versions).where(model_versions.c.model == name))
    conn.execute(sa.delete(models).where(models.c.name == name))


def _copy(
    conn: sa.Connection, table: sa.Table, key: str, value: str, changes: dict[str, Any]
) -> None:
    names = [column.name for column in table.columns]
    chosen = [
        sa.literal(changes[name], type_=table.c[name].type) if name in changes else table.c[name]
        for name in names
    ]
    query = sa.select(*chosen).where(table.c[key] == value)
    conn.execute(sa.insert(table).from_select(names, query))


def _taken(name: str) -> Conflict:
    return Conflict(
        f"There is a model {name!r} already.",
        code="model_exists",
        path="name",
        got=name,
        fix="Choose another name.",
    )
