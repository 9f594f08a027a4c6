"""Alembic runs this file; the connection, and its transaction, come from the caller."""

from __future__ import annotations

from alembic import context

from everloop.store.database import VERSION_TABLE
from everloop.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
