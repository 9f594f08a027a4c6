"""Bring a database's tables up to date with Alembic."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from everloop.errors import Conflict
from everloop.store.database import Database
from everloop.store.dialect import serialise


def configuration() -> Config:
    """Alembic's configuration: the scripts inside this package, no file."""
    config = Config()
    config.set_main_option("script_location", "everloop.store:migrations")
    return config


def migrate(db: Database) -> None:
    """Apply every migration that ``db`` lacks, in one transaction, one process at a time.

    Raises :class:`~everloop.errors.Conflict` for a database of a newer everloop.
    """
    config = configuration()
    current = db.revision()
    if current is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(current)
        except CommandError:
            raise Conflict(
                f"The database is at revision {current}, which this everloop does not know.",
                code="database_newer",
                got=current,
                fix="Install the everloop that wrote it, or a newer one.",
            ) from None
    with db.write() as conn:
        serialise(conn, "everloop.migrations")
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
