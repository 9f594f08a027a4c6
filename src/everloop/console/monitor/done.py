"""What was done about alerts: the cycles that they led to, and what those came to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from everloop.loop.project import Project
from everloop.monitor.alerting.desk import AlertLine
from everloop.store.tables import cycles


class Done(msgspec.Struct, frozen=True):
    """A cycle, and what it came to."""

    id: str
    loop: str
    number: int
    state: str
    verdict: str | None
    reason: str | None


def what_was_done(project: Project, alerts: Sequence[AlertLine]) -> dict[str, Done]:
    """The cycles that these alerts led to, by their id."""
    return cycles_by_id(project, {id for line in alerts for id in line.incident.cycles})


def cycles_by_id(project: Project, ids: Collection[str]) -> dict[str, Done]:
    """Cycles in short, by one query; one that is not there is left out."""
    if not ids:
        return {}
    columns = (cycles.c[name] for name in Done.__struct_fields__)
    with project.db.read() as conn:
        rows = conn.execute(sa.select(*columns).where(cycles.c.id.in_(ids)))
        return {row.id: Done(*row) for row in rows}
