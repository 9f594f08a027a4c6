"""Models and versions as the database holds them, with their tags and aliases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import NotFound, did_you_mean
from everloop.registry.names import LATEST
from everloop.registry.records import Model, ModelVersion, from_row, is_prompt
from everloop.store.tables import (
    model_aliases,
    model_tags,
    model_version_tags,
    model_versions,
    models,
)

_V = model_versions.c
_CHUNK = 500  # names in one IN (...)


def read_versions(conn: sa.Connection, query: sa.Select[Any]) -> list[ModelVersion]:
    """The versions that a query of the table's rows gives, in its order."""
    rows = conn.execute(query).all()
    tags: defaultdict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    aliases: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for keys in _parts([(row.model, row.version) for row in rows]):
        for row in conn.execute(_of(model_version_tags, keys, "key")):
            tags[row.model, row.version][row.key] = row.value
        for row in conn.execute(_of(model_aliases, keys, "alias")):
            aliases[row.model, row.version].append(row.alias)
    return [
        from_row(row, tags[row.model, row.version], aliases[row.model, row.version]) for row in rows
    ]


def read_models(conn: sa.Connection, query: sa.Select[Any]) -> list[Model]:
    """The models that a query of the table's rows gives, in its order."""
    rows = conn.execute(query).all()
    tags: defaultdict[str, dict[str, str]] = defaultdict(dict)
    aliases: defaultdict[str, dict[str, int]] = defaultdict(dict)
    newest: dict[str, int] = {}
    for names in _parts([row.name for row in rows]):
        of_tags = sa.select(model_tags).where(model_tags.c.model.in_(names))
        for row in conn.execute(of_tags.order_by(model_tags.c.key)):
            tags[row.model][row.key] = row.value
        of_aliases = sa.select(model_aliases).where(model_aliases.c.model.in_(names))
        for row in conn.execute(of_aliases.order_by(model_aliases.c.alias)):
            aliases[row.model][row.alias] = row.version
        of_newest = sa.select(_V.model, sa.func.max(_V.version)).where(_V.model.in_(names))
        newest.update(tuple(row) for row in conn.execute(of_newest.group_by(_V.model)))
    return [
        Model(
            name=row.name,
            description=row.description,
            created=row.created,
            updated=row.updated,
            newest=newest.get(row.name),
            tags=tags[row.name],
            aliases=aliases[row.name],
        )
        for row in rows
    ]


def read_version(conn: sa.Connection, model: str, version: int) -> ModelVersion:
    """One version; raises :class:`~everloop.errors.NotFound` when there is none."""
    found = read_versions(conn, at(model, version)) if 0 < version < 2**31 else []
    if not found:
        raise missing(conn, model, f"version {version}", f"{model}/{version}")
    return found[0]


def read_model(conn: sa.Connection, model: str) -> Model:
    """One model; raises :class:`~everloop.errors.NotFound` when there is none."""
    found = read_models(conn, sa.select(models).where(models.c.name == model))
    if not found:
        raise missing(conn, model, "")
    return found[0]


def at(model: str, version: int) -> sa.Select[Any]:
    """The query of one version's row."""
    return sa.select(model_versions).where(_V.model == model, _V.version == version)


def require_version(conn: sa.Connection, model: str, version: int) -> Any:
    """The row of a version that is there; raises NotFound otherwise."""
    row = conn.execute(at(model, version)).first() if 0 < version < 2**31 else None
    if row is None:
        raise missing(conn, model, f"version {version}", f"{model}/{version}")
    return row


def require_model(conn: sa.Connection, model: str) -> Any:
    """The row of a model that is there; raises NotFound otherwise."""
    row = conn.execute(sa.select(models).where(models.c.name == model)).first()
    if row is None:
        raise missing(conn, model, "")
    return row


def read_alias(conn: sa.Connection, model: str, alias: str) -> int | None:
    """The number that an alias points at, None when there is no such alias."""
    if alias.lower() == LATEST:
        return newest_version(conn, model)
    return read_given_alias(conn, model, alias)


def read_given_alias(conn: sa.Connection, model: str, alias: str) -> int | None:
    """The same, but for the alias that every model has."""
    query = sa.select(model_aliases.c.version).where(is_alias(model, alias))
    return conn.execute(query).scalar_one_or_none()


def newest_version(conn: sa.Connection, model: str) -> int | None:
    """The highest number of a model's versions."""
    query = sa.select(sa.func.max(_V.version)).where(_V.model == model)
    newest: int | None = conn.execute(query).scalar_one()
    return newest


def is_alias(model: str, alias: str) -> sa.ColumnElement[bool]:
    """The condition of an alias's row."""
    return (model_aliases.c.model == model) & (model_aliases.c.alias == alias)


def names_prompt(conn: sa.Connection, model: str) -> bool:
    """Whether a model is a prompt."""
    query = sa.select(model_tags.c.key, model_tags.c.value).where(model_tags.c.model == model)
    return is_prompt({row.key: row.value for row in conn.execute(query)})


def missing(conn: sa.Connection, model: str, part: str, got: str = "") -> NotFound:
    """The refusal of a model that is not there, or of a part (``version 3``) that it lacks."""
    known = conn.execute(sa.select(models.c.name).where(models.c.name == model)).first()
    if known and part:
        code = "alias_not_found" if part.startswith("alias") else "version_not_found"
        return NotFound(f"The model {model!r} has no {part}.", code=code, got=got)
    names = conn.execute(sa.select(models.c.name).order_by(models.c.name).limit(1000)).scalars()
    fix = did_you_mean(model, list(names))
    return NotFound(
        f"There is no model {model!r}." + (f" {fix}" if fix else ""),
        code="model_not_found",
        got=model,
        fix=fix,
    )


def _of(table: sa.Table, keys: Sequence[tuple[str, int]], order: str) -> sa.Select[tuple[Any, ...]]:
    query = sa.select(table).where(sa.tuple_(table.c.model, table.c.version).in_(keys))
    return query.order_by(table.c[order])


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK)]
