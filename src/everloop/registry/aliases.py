"""Aliases: names that point at a version, and can be moved to another."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.errors import Conflict
from everloop.registry._base import RegistryPart
from everloop.registry.names import check_alias
from everloop.registry.reading import (
    is_alias,
    names_prompt,
    read_alias,
    read_given_alias,
    require_version,
)
from everloop.registry.webhooks.queue import announce
from everloop.store.clock import now_ms
from everloop.store.dialect import upsert
from everloop.store.tables import model_aliases

CHAMPION = "champion"
"""The alias of the version that serves."""

MANAGED = frozenset({CHAMPION, "challenger"})
"""They follow the rollout as soon as a model has an endpoint."""


class Aliases(RegistryPart):
    """The aliases of every model."""

    def set_alias(
        self,
        model: str,
        alias: str,
        version: int,
        actor: str,
        conn: sa.Connection | None = None,
        *,
        by_rollout: bool = False,
    ) -> int | None:
        """Let ``alias`` point at ``version``; returns the number it pointed at before.

        With ``conn``, a connection of :meth:`EventLog.transaction`, it happens in that
        transaction. Nothing is recorded when it points there already. Only the rollout
        (``by_rollout``) moves ``champion`` and ``challenger`` of a model that has an endpoint;
        anybody else gets :class:`~everloop.errors.Conflict`.
        """
        check_alias(alias)
        with self._within(conn) as open_conn:
            require_version(open_conn, model, version)
            self._refuse_managed(model, alias, by_rollout)
            before = read_alias(open_conn, model, alias)
            if before == version:
                return before
            row = {"model": model, "alias": alias, "version": version, "updated": now_ms()}
            open_conn.execute(
                upsert(model_aliases, ["model", "alias"], ["version", "updated"]), row
            )
            self._alias_event(open_conn, "model.alias_set", model, actor, alias, before, version)
            announce(
                open_conn,
                _alias_entity(open_conn, model) + ".created",
                {"name": model, "alias": alias, "version": str(version)},
            )
        return before

    def delete_alias(
        self,
        model: str,
        alias: str,
        actor: str,
        conn: sa.Connection | None = None,
        *,
        by_rollout: bool = False,
    ) -> int | None:
        """Take an alias away; returns the number it pointed at, None when there was none."""
        with self._within(conn) as open_conn:
            before = read_given_alias(open_conn, model, alias)
            if before is not None:
                self._refuse_managed(model, alias, by_rollout)
                open_conn.execute(sa.delete(model_aliases).where(is_alias(model, alias)))
                self._alias_event(
                    open_conn, "model.alias_deleted", model, actor, alias, before, None
                )
                announce(
                    open_conn,
                    _alias_entity(open_conn, model) + ".deleted",
                    {"name": model, "alias": alias},
                )
        return before

    def alias(self, model: str, alias: str) -> int | None:
        """The version that an alias points at, None when there is no such alias."""
        with self.db.read() as conn:
            return read_alias(conn, model, alias)

    def aliases(self, model: str) -> dict[str, int]:
        """All aliases of a model, with the versions they point at."""
        query = sa.select(model_aliases).where(model_aliases.c.model == model)
        with self.db.read() as conn:
            rows = conn.execute(query.order_by(model_aliases.c.alias)).all()
        return {row.alias: row.version for row in rows}

    def _drop_aliases(self, conn: sa.Connection, model: str, version: int, actor: str) -> None:
        """Take away the aliases of a version that goes."""
        here = (model_aliases.c.model == model) & (model_aliases.c.version == version)
        for row in conn.execute(sa.select(model_aliases).where(here)).all():
            self.delete_alias(model, row.alias, actor, conn, by_rollout=True)

    def _refuse_managed(self, model: str, alias: str, by_rollout: bool) -> None:
        if alias in MANAGED and not by_rollout and self.serving(model):
            raise Conflict(
                f"alias: {alias!r} of {model!r} follows the rollout of its endpoint and cannot "
                "be moved by hand.",
                code="managed_alias",
                path="alias",
                got=alias,
                fix="`everloop deploy` makes a version the champion.",
            )

    def _alias_event(
        self, conn: sa.Connection, kind: str, model: str, actor: str,
        alias: str, before: int | None, version: int | None,
    ) -> None:  # fmt: skip
        payload = {"alias": alias, "before": before, "version": version}
        self._event(conn, kind, model, actor, payload)


def _alias_entity(conn: sa.Connection, model: str) -> str:
    return "prompt_alias" if names_prompt(conn, model) else "model_version_alias"
