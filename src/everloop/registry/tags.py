"""Tags of models and of versions: a key and a text, the last one of a key wins."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from everloop.registry._base import RegistryPart
from everloop.registry.reading import names_prompt, require_model, require_version
from everloop.registry.records import check_tags
from everloop.registry.webhooks.queue import announce
from everloop.store.dialect import upsert
from everloop.store.tables import model_tags, model_version_tags

_SHOWN = 500  # characters of a value that an event shows


class Tags(RegistryPart):
    """The tags of every model and version."""

    def set_model_tag(self, model: str, key: str, value: str, actor: str) -> None:
        """Keep a tag of a model."""
        check_tags({key: value})
        with self.events.transaction() as conn:
            require_model(conn, model)
            write_model_tags(conn, model, {key: value})
            self._event(conn, "model.tag_set", model, actor, _shown(key, value))
            if names_prompt(conn, model):
                announce(conn, "prompt_tag.set", {"name": model, "key": key, "value": value})

    def delete_model_tag(self, model: str, key: str, actor: str) -> bool:
        """Remove a tag of a model; False when there was none."""
        with self.events.transaction() as conn:
            require_model(conn, model)
            prompt = names_prompt(conn, model)
            here = (model_tags.c.model == model) & (model_tags.c.key == key)
            if conn.execute(sa.delete(model_tags).where(here)).rowcount == 0:
                return False
            self._event(conn, "model.tag_deleted", model, actor, {"key": key})
            if prompt:
                announce(conn, "prompt_tag.deleted", {"name": model, "key": key})
        return True

    def set_version_tag(self, model: str, version: int, key: str, value: str, actor: str) -> None:
        """Keep a tag of a version."""
        check_tags({key: value})
        with self.events.transaction() as conn:
            require_version(conn, model, version)
            write_version_tags(conn, model, version, {key: value})
            payload = {"version": version, **_shown(key, value)}
            self._event(conn, "model.version_tag_set", model, actor, payload)
            told = {"name": model, "version": str(version), "key": key, "value": value}
            announce(conn, _version_entity(conn, model) + ".set", told)

    def delete_version_tag(self, model: str, version: int, key: str, actor: str) -> bool:
        """Remove a tag of a version; False when there was none."""
        table = model_version_tags.c
        with self.events.transaction() as conn:
            require_version(conn, model, version)
            here = (table.model == model) & (table.version == version) & (table.key == key)
            if conn.execute(sa.delete(model_version_tags).where(here)).rowcount == 0:
                return False
            payload = {"version": version, "key": key}
            self._event(conn, "model.version_tag_deleted", model, actor, payload)
            told = {"name": model, "version": str(version), "key": key}
            announce(conn, _version_entity(conn, model) + ".deleted", told)
        return True


def write_model_tags(conn: sa.Connection, model: str, tags: Mapping[str, str]) -> None:
    """Keep tags of a model, in the caller's transaction."""
    rows = [{"model": model, "key": key, "value": value} for key, value in tags.items()]
    if rows:
        conn.execute(upsert(model_tags, ["model", "key"], ["value"]), rows)


def write_version_tags(
    conn: sa.Connection, model: str, version: int, tags: Mapping[str, str]
) -> None:
    """Keep tags of a version, in the caller's transaction."""
    rows = [
        {"model": model, "version": version, "key": key, "value": value}
        for key, value in tags.items()
    ]
    if rows:
        conn.execute(upsert(model_version_tags, ["model", "version", "key"], ["value"]), rows)


def _version_entity(conn: sa.Connection, model: str) -> str:
    return "prompt_version_tag" if names_prompt(conn, model) else "model_version_tag"


def _shown(key: str, value: str) -> dict[str, Any]:
    """A tag as an event shows it: a long text by its hash, since events are never deleted."""
    if len(value) <= _SHOWN:
        return {"key": key, "value": value}
    return {"key": key, "sha256": hashlib.sha256(value.encode()).hexdigest()}
