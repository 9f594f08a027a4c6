"""Which experiments a filter leaves, in which order."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from everloop.store.paging import pack, unpack
from everloop.store.tables import experiments
from everloop.tracking.records import Found, View


def search_experiment_ids(
    conn: sa.Connection,
    *,
    filter: str,
    order_by: Sequence[str],
    view: View,
    limit: int,
    token: str | None,
) -> Found[int]:
    c = experiments.c
    query = sa.select(c.id, c.created).order_by(c.created.desc(), c.id.desc()).limit(limit + 1)
    if view != "all":
        query = query.where(c.deleted.is_(None) if view == "active" else c.deleted.is_not(None))
    if token is not None:
        query = query.where(sa.tuple_(c.created, c.id) < sa.tuple_(*unpack(token, tuple[int, int])))
    rows = conn.execute(query).all()
    more = pack([rows[limit - 1].created, rows[limit - 1].id]) if len(rows) > limit else None
    return Found([row.id for row in rows[:limit]], more)
