"""Versions of models: numbered 1, 2, 3, …, no number ever given twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import Conflict, invalid
from everloop.registry.aliases import CHAMPION, Aliases
from everloop.registry.names import LATEST, Reference, check_model_name, parse_reference
from everloop.registry.reading import (
    at,
    missing,
    newest_version,
    read_alias,
    read_version,
    read_versions,
    require_model,
    require_version,
)
from everloop.registry.records import (
    PROMPT,
    PROMPT_TEXT,
    STAGES,
    ModelVersion,
    Stage,
    check_description,
    check_stage,
    check_tags,
    is_prompt,
    to_row,
)
from everloop.registry.search import search_versions
from everloop.registry.tags import write_version_tags
from everloop.registry.webhooks.queue import announce
from everloop.store.clock import now_ms
from everloop.store.dialect import insert_or_ignore
from everloop.store.paging import Found
from everloop.store.tables import model_version_tags, model_versions, models

ACTIVE_STAGES: tuple[Stage, ...] = ("Staging", "Production")
"""The stages in which an older version is in the way of a newer one."""

LARGEST = 2**31 - 1
_RECORDED = (
    "key", "digest", "algorithm", "run", "dataset", "cycle", "source", "location", "logged_model",
)  # fmt: skip
PROMPT_MARKS = frozenset({PROMPT_TEXT, PROMPT, "_mlflow_prompt_type"})
"""Tags that make a prompt, which nobody who is told of one needs."""


class Versions(Aliases):
    """The versions of every model."""

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
        """Add a version that has a model package; the model is made when it is new.

        The same ``key`` again returns the version it made, unchanged, so a step that was
        interrupted can be repeated. No number is given twice, whoever else registers now.
        """
        now = now_ms()
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
            created=now,
            updated=now,
        )
        row = to_row(wanted)
        with self.events.transaction() as conn:
            found = _made_under(conn, model, key)
            if found is not None:
                return found
            fresh = {"name": model, "last": 0, "created": now, "updated": now}
            made = conn.execute(insert_or_ignore(models).returning(models.c.name), fresh)
            if made.first() is not None:
                told: dict[str, Any] = {"name": model, "tags": {}, "description": None}
                announce(conn, "registered_model.created", told)
            return self._add(conn, row, {}, None, actor)

    def create_version(
        self,
        model: str,
        *,
        source: str,
        actor: str,
        location: str | None = None,
        run: str | None = None,
        run_link: str | None = None,
        logged_model: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        user: str | None = None,
        key: str | None = None,
        version: int | None = None,
        stage: str = "None",
        created: int | None = None,
        updated: int | None = None,
    ) -> ModelVersion:
        """Add a version that is known by the URI of its ``source``; the model must be there.

        ``location`` is where its files are read from when that is not the source. ``version``,
        ``stage`` and the times are for those who bring a registry from elsewhere; a ``key`` makes
        that repeatable. Raises :class:`~everloop.errors.Conflict` for a number that is taken.
        """
        now = now_ms()
        wanted = ModelVersion(
            model=model,
            version=0,
            key=uuid.uuid4().hex if key is None else key,
            run=run,
            description=description,
            user=user,
            stage=check_stage(stage),
            source=source,
            location=location,
            run_link=run_link,
            logged_model=logged_model,
            created=now if created is None else created,
            updated=updated or created or now,
        )
        row, kept = to_row(wanted), check_tags(tags or {})
        with self.events.transaction() as conn:
            require_model(conn, model)
            found = _made_under(conn, model, wanted.key)
            return found or self._add(conn, row, kept, version, actor)

    def version(self, model: str, version: int) -> ModelVersion:
        """One version; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.read() as conn:
            return read_version(conn, model, version)

    def resolve(self, text: str) -> ModelVersion:
        """The version that ``name``, ``name@alias`` or ``name/3`` means.

        A bare name means its champion, or its newest version while it has none.
        """
        reference = parse_reference(text)
        with self.db.read() as conn:
            return read_version(conn, reference.model, _number(conn, reference))

    def by_alias(self, model: str, alias: str) -> ModelVersion:
        """The version that an alias points at; raises NotFound when there is none."""
        with self.db.read() as conn:
            return read_version(conn, model, _number(conn, Reference(model, alias=alias)))

    def versions(
        self, model: str, before: int | None = None, limit: int = 100
    ) -> list[ModelVersion]:
        """Versions from the newest; the next page lies ``before`` the last one's number."""
        query = sa.select(model_versions).where(model_versions.c.model == model)
        if before is not None:
            query = query.where(model_versions.c.version < before)
        query = query.order_by(model_versions.c.version.desc()).limit(max(1, min(limit, 1000)))
        with self.db.read() as conn:
            return read_versions(conn, query)

    def made_of(self, dataset: str, limit: int = 100) -> list[ModelVersion]:
        """The versions that were trained on a dataset version, newest first."""
        query = sa.select(model_versions).where(model_versions.c.dataset == dataset)
        query = query.order_by(model_versions.c.created.desc(), model_versions.c.model)
        with self.db.read() as conn:
            return read_versions(conn, query.limit(limit))

    def tagged(self, key: str, value: str, limit: int = 100) -> list[ModelVersion]:
        """The versions, of all models, with this very tag; newest first."""
        tags, v = model_version_tags.c, model_versions.c
        same = (tags.model == v.model) & (tags.version == v.version)
        query = sa.select(model_versions).join(model_version_tags, same)
        query = query.where(tags.key == key, tags.value == value)
        with self.db.read() as conn:
            return read_versions(conn, query.order_by(v.created.desc(), v.model).limit(limit))

    def latest_versions(
        self, names: Iterable[str], stages: Iterable[str] = ()
    ) -> dict[str, list[ModelVersion]]:
        """The newest version in each of the ``stages`` (in all, when none is named), by model."""
        wanted, names = [check_stage(stage) for stage in stages] or list(STAGES), list(names)
        table = model_versions.c
        newest = (
            sa.select(table.model, sa.func.max(table.version).label("version"))
            .where(table.model.in_(names), table.stage.in_(wanted))
            .group_by(table.model, table.stage)
            .subquery()
        )
        here = (table.model == newest.c.model) & (table.version == newest.c.version)
        query = sa.select(model_versions).join(newest, here).order_by(table.version)
        found: dict[str, list[ModelVersion]] = {name: [] for name in names}
        with self.db.read() as conn:
            for version in read_versions(conn, query):
                found[version.model].append(version)
        return found

    def search_versions(
        self,
        filter: str = "",
        order_by: Sequence[str] = (),
        limit: int = 100,
        token: str | None = None,
    ) -> Found[ModelVersion]:
        """Versions that a filter such as ``name = 'a' AND run_id = 'x'`` leaves, newest first.

        Versions of prompts are among them only when the filter asks for their tag.
        """
        with self.db.read() as conn:
            return search_versions(conn, filter, order_by, limit, token)

    def update_version(
        self, model: str, version: int, *, description: str | None, actor: str
    ) -> ModelVersion:
        """Replace a version's description; None takes it away."""
        check_description(description)
        with self.events.transaction() as conn:
            before = require_version(conn, model, version)
            self._set(conn, model, version, description=description)
            if before.description != description:
                payload = {"version": version, "before": before.description, "now": description}
                self._event(conn, "model.version_described", model, actor, payload)
            return read_version(conn, model, version)

    def transition(
        self, model: str, version: int, stage: str, *, actor: str, archive_existing: bool = False
    ) -> ModelVersion:
        """Move a version to a stage; with ``archive_existing`` it is alone there afterwards.

        Raises :class:`~everloop.errors.InvalidInput` for an unknown stage, and for archiving
        where versions do not stand in each other's way.
        """
        wanted = check_stage(stage)
        if archive_existing and wanted not in ACTIVE_STAGES:
            expected = "one of " + ", ".join(ACTIVE_STAGES)
            raise invalid("stage", stage, expected + " to archive others", code="bad_stage")
        table = model_versions.c
        with self.events.transaction() as conn:
            before = require_version(conn, model, version)
            moved: list[int] = []
            if archive_existing:
                others = (table.model == model) & (table.stage == wanted)
                query = sa.select(table.version).where(others, table.version != version)
                moved = list(conn.execute(query.order_by(table.version)).scalars())
                for number in moved:
                    self._set(conn, model, number, stage="Archived")
            self._set(conn, model, version, stage=wanted)
            _touch(conn, model)
            payload = {
                "version": version, "before": before.stage, "now": wanted, "archived": moved,
            }  # fmt: skip
            self._event(conn, "model.version_staged", model, actor, payload)
            return read_version(conn, model, version)

    def delete_version(self, model: str, version: int, actor: str) -> None:
        """Remove a version, its tags and aliases; its number is never given again.

        Raises :class:`~everloop.errors.Conflict` when an endpoint serves it.
        """
        with self.events.transaction() as conn:
            require_version(conn, model, version)
            self._refuse_served(model, "deleted", version)
            self._drop_aliases(conn, model, version, actor)
            for table in (model_version_tags, model_versions):
                here = (table.c.model == model) & (table.c.version == version)
                conn.execute(sa.delete(table).where(here))
            _touch(conn, model)
            self._event(conn, "model.version_deleted", model, actor, {"version": version})

    def _add(
        self,
        conn: sa.Connection,
        row: dict[str, Any],
        tags: dict[str, str],
        wanted: int | None,
        actor: str,
    ) -> ModelVersion:
        model = row["model"]
        number = _next_number(conn, model, wanted, row["updated"])
        conn.execute(sa.insert(model_versions), {**row, "version": number})
        write_version_tags(conn, model, number, tags)
        payload = {name: row[name] for name in _RECORDED if row[name] is not None}
        self._event(conn, "model.registered", model, actor, payload | {"version": number})
        made = read_version(conn, model, number)
        announce(conn, *_told(made))
        return made

    @staticmethod
    def _set(conn: sa.Connection, model: str, version: int, **values: Any) -> None:
        here = (model_versions.c.model == model) & (model_versions.c.version == version)
        change = sa.update(model_versions).where(here)
        conn.execute(change.values(updated=now_ms(), **values))


def _made_under(conn: sa.Connection, model: str, key: str) -> ModelVersion | None:
    """The version that was made under a key before."""
    same_key = (model_versions.c.model == model) & (model_versions.c.key == key)
    found = read_versions(conn, sa.select(model_versions).where(same_key))
    return found[0] if found else None


def _next_number(conn: sa.Connection, model: str, wanted: int | None, now: int) -> int:
    """The number of a new version. The row of the model counts; its lock keeps others waiting."""
    if wanted is None:
        change = sa.update(models).where(models.c.name == model)
        change = change.values(last=models.c.last + 1, updated=now)
        return int(conn.execute(change.returning(models.c.last)).scalar_one())
    if not 0 < wanted <= LARGEST:
        raise invalid("version", wanted, f"a whole number from 1 to {LARGEST}")
    if conn.execute(at(model, wanted)).first() is not None:
        raise Conflict(
            f"The model {model!r} has a version {wanted} already.",
            code="version_exists", got=wanted,
        )  # fmt: skip
    last = sa.case((models.c.last < wanted, wanted), else_=models.c.last)
    conn.execute(sa.update(models).where(models.c.name == model).values(last=last, updated=now))
    return wanted


def _told(version: ModelVersion) -> tuple[str, dict[str, Any]]:
    """The event that webhooks are told of a new version, and its data."""
    data: dict[str, Any] = {"name": version.model, "version": str(version.version)}
    if is_prompt(version.tags):
        shown = {key: value for key, value in version.tags.items() if key not in PROMPT_MARKS}
        text = version.tags.get(PROMPT_TEXT)
        data |= {"template": text, "tags": shown, "description": version.description or None}
        return "prompt_version.created", data
    data |= {
        "source": version.source or f"models:/{version}",
        "run_id": version.run,
        "tags": version.tags,
        "description": version.description or None,
    }
    return "model_version.created", data


def _number(conn: sa.Connection, reference: Reference) -> int:
    if reference.version is not None:
        return reference.version
    found = read_alias(conn, reference.model, reference.alias or CHAMPION)
    if found is None and reference.alias is None:
        found = newest_version(conn, reference.model)
    if found is None:
        alias, model = reference.alias, check_model_name(reference.model)
        if alias is None:
            raise missing(conn, model, "version", f"{model}/{LATEST}")
        raise missing(conn, model, f"alias {alias!r}", alias)
    return found


def _touch(conn: sa.Connection, model: str) -> None:
    conn.execute(sa.update(models).where(models.c.name == model).values(updated=now_ms()))
