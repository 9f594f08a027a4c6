"""Which runs a filter leaves, in which order."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from everloop.store.paging import pack, unpack
from everloop.store.tables import runs
from everloop.tracking.records import Found, View


def search_run_numbers(
    conn: sa.Connection,
    *,
    experiments: Sequence[int] | None,
    filter: str,
    order_by: Sequence[str],
    view: View,
    limit: int,
    token: str | None,
) -> Found[int]:
    query = sa.select(runs.c.number, runs.c.started)
    if experiments is not None:
        query = query.where(runs.c.experiment.in_(experiments))
    if view != "all":
        query = query.where(
            runs.c.deleted.is_(None) if view == "active" else runs.c.deleted.is_not(None)
        )
    if token is not None:
        started, number = unpack(token, tuple[int, int])
        query = query.where(sa.tuple_(runs.c.started, runs.c.number) < sa.tuple_(started, number))
    query = query.order_by(runs.c.started.desc(), runs.c.number.desc()).limit(limit + 1)
    rows = conn.execute(query).all()
    more = pack([rows[limit - 1].started, rows[limit - 1].number]) if len(rows) > limit else None
    return Found([row.number for row in rows[:limit]], more)
