"""What all tables share: names of constraints, the type of a time, structured values.

Times are whole milliseconds since 1970 UTC. Structured values are JSON text made by msgspec, so
that both dialects hold the same bytes. Each table is written by one small store only, named in
its comment.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

Millis = sa.BigInteger
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the database gives; SQLite counts in a column called INTEGER only."""


def json_text(name: str, nullable: bool = False) -> sa.Column[str]:
    """A column of JSON text."""
    return sa.Column(name, sa.Text, nullable=nullable, info={"json": True})
