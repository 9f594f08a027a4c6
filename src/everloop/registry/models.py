"""Registered models, their versions and the aliases that point at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa

from everloop.errors import NotFound, nearest
from everloop.registry.names import Reference, check_name, parse_reference
from everloop.registry.records import Model, ModelVersion, from_row, to_row
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, upsert
from everloop.store.events import EventLog
from everloop.store.tables import model_aliases, model_versions, models

__all__ = ["CHAMPION", "Model", "ModelStore", "ModelVersion"]

CHAMPION = "champion"
"""The alias of the version that serves."""

_RECORDED = ("key", "digest", "algorithm", "run", "dataset", "cycle")


class ModelStore:
    """The registry in ``db``; each change is an event in the same transaction."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self.db = db
        self.events = events

    def register(
        self,
        model: str,
        *,
        key: str,
        digest: str,
        algorithm: str,
        files: Mapping[str, str],
        run: str | None = None,
        dataset: str | None = None,
        cycle: str | None = None,
        metrics: Mapping[str, float] | None = None,
        actor: str,
    ) -> ModelVersion:
        """Add a version, numbered one above the newest.

        The same ``key`` again returns the version it made, unchanged, so a step that was
        interrupted can be repeated. No number is given twice, whoever else registers now.
        """
        wanted = ModelVersion(
            model=model,
            version=0,
            key=key,
            digest=digest,
            algorithm=algorithm,
            run=run,
            dataset=dataset,
            cycle=cycle,
            metrics=dict(metrics or {}),
            files=dict(files),
            created=now_ms(),
        )
        row = to_row(wanted)
        with self.events.transaction() as conn:
            same_key = (model_versions.c.model == model) & (model_versions.c.key == key)
            found = conn.execute(sa.select(model_versions).where(same_key)).first()
            if found:
                return from_row(found)
            conn.execute(insert_or_ignore(models), {"name": model, "created": wanted.created})
            number = (_newest(conn, model) or 0) + 1
            conn.execute(sa.insert(model_versions), {**row, "version": number})
            payload = {name: row[name] for name in _RECORDED} | {"version": number}
            self.events.append(
                conn, actor=actor, kind="model.registered", subject=f"model:{model}",
                payload=payload,
            )  # fmt: skip
            return self._get(conn, model, number)

    def version(self, model: str, version: int) -> ModelVersion:
        """One version; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.read() as conn:
            return self._get(conn, model, version)

    def resolve(self, text: str) -> ModelVersion:
        """The version that ``name``, ``name@alias`` or ``name/3`` means.

        A bare name means its champion, or its newest version while it has none.
        """
        reference = parse_reference(text)
        with self.db.read() as conn:
            return self._get(conn, reference.model, self._number(conn, reference))

    def versions(
        self, model: str, before: int | None = None, limit: int = 100
    ) -> list[ModelVersion]:
        """Versions from the newest; the next page lies ``before`` the last one's number."""
        query = sa.select(model_versions).where(model_versions.c.model == model)
        if before is not None:
            query = query.where(model_versions.c.version < before)
        query = query.order_by(model_versions.c.version.desc()).limit(max(1, min(limit, 1000)))
        with self.db.read() as conn:
            return [from_row(row) for row in conn.execute(query)]

    def models(self, after: str = "", limit: int = 100) -> list[Model]:
        """Models by name; the next page lies ``after`` the last one's name."""
        newest = (
            sa.select(sa.func.max(model_versions.c.version))
            .where(model_versions.c.model == models.c.name)
            .scalar_subquery()
        )
        query = (
            sa.select(models.c.name, models.c.created, newest.label("newest"))
            .where(models.c.name > after)
            .order_by(models.c.name)
            .limit(max(1, min(limit, 1000)))
        )
        with self.db.read() as conn:
            return [Model(row.name, row.created, row.newest) for row in conn.execute(query)]

    def set_alias(
        self,
        model: str,
        alias: str,
        version: int,
        actor: str,
        conn: sa.Connection | None = None,
    ) -> int | None:
        """Let ``alias`` point at ``version``; returns the number it pointed at before.

        With ``conn``, a connection of :meth:`EventLog.transaction`, it happens in that
        transaction. Nothing is recorded when it points there already.
        """
        check_name("alias", alias)
        with self._within(conn) as open_conn:
            self._get(open_conn, model, version)
            before = self._alias(open_conn, model, alias)
            if before == version:
                return before
            row = {"model": model, "alias": alias, "version": version, "updated": now_ms()}
            open_conn.execute(
                upsert(model_aliases, ["model", "alias"], ["version", "updated"]), row
            )
            self._alias_event(open_conn, "model.alias_set", model, actor, alias, before, version)
        return before

    def delete_alias(
        self, model: str, alias: str, actor: str, conn: sa.Connection | None = None
    ) -> int | None:
        """Take an alias away; returns the number it pointed at, None when there was none."""
        with self._within(conn) as open_conn:
            before = self._alias(open_conn, model, alias)
            if before is not None:
                open_conn.execute(sa.delete(model_aliases).where(_is_alias(model, alias)))
                self._alias_event(
                    open_conn, "model.alias_deleted", model, actor, alias, before, None
                )
        return before

    def alias(self, model: str, alias: str) -> int | None:
        """The version that an alias points at, None when there is no such alias."""
        with self.db.read() as conn:
            return self._alias(conn, model, alias)

    def aliases(self, model: str) -> dict[str, int]:
        """All aliases of a model, with the versions they point at."""
        query = sa.select(model_aliases).where(model_aliases.c.model == model)
        with self.db.read() as conn:
            rows = conn.execute(query.order_by(model_aliases.c.alias)).all()
        return {row.alias: row.version for row in rows}

    @contextmanager
    def _within(self, conn: sa.Connection | None) -> Iterator[sa.Connection]:
        if conn is not None:
            yield conn
        else:
            with self.events.transaction() as own:
                yield own

    def _alias_event(
        self, conn: sa.Connection, kind: str, model: str, actor: str,
        alias: str, before: int | None, version: int | None,
    ) -> None:  # fmt: skip
        payload = {"alias": alias, "before": before, "version": version}
        self.events.append(conn, actor=actor, kind=kind, subject=f"model:{model}", payload=payload)

    def _number(self, conn: sa.Connection, reference: Reference) -> int:
        if reference.version is not None:
            return reference.version
        found = self._alias(conn, reference.model, reference.alias or CHAMPION)
        if found is None and reference.alias is None:
            found = _newest(conn, reference.model)
        if found is None:
            raise _missing(conn, reference.model, f"alias {reference.alias!r}")
        return found

    @staticmethod
    def _alias(conn: sa.Connection, model: str, alias: str) -> int | None:
        query = sa.select(model_aliases.c.version).where(_is_alias(model, alias))
        return conn.execute(query).scalar_one_or_none()

    @staticmethod
    def _get(conn: sa.Connection, model: str, version: int) -> ModelVersion:
        row = None
        if 0 < version < 2**31:
            here = (model_versions.c.model == model) & (model_versions.c.version == version)
            row = conn.execute(sa.select(model_versions).where(here)).first()
        if row is None:
            raise _missing(conn, model, f"version {version}")
        return from_row(row)


def _is_alias(model: str, alias: str) -> sa.ColumnElement[bool]:
    return (model_aliases.c.model == model) & (model_aliases.c.alias == alias)


def _newest(conn: sa.Connection, model: str) -> int | None:
    query = sa.select(sa.func.max(model_versions.c.version)).where(model_versions.c.model == model)
    newest: int | None = conn.execute(query).scalar_one()
    return newest


def _missing(conn: sa.Connection, model: str, part: str) -> NotFound:
    names = conn.execute(sa.select(models.c.name).order_by(models.c.name).limit(1000)).scalars()
    known = list(names)
    if model in known:
        return NotFound(f"The model {model!r} has no {part}.", code="version_not_found", got=part)
    guess = nearest(model, known)
    fix = f'Did you mean "{guess}"?' if guess else None
    return NotFound(
        f"There is no model {model!r}." + (f" {fix}" if fix else ""),
        code="model_not_found",
        got=model,
        fix=fix,
    )
