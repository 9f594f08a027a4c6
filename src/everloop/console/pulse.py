"""Whether anything that the pages show has changed: a few looks at the ends of indexes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from everloop.store.database import Database
from everloop.store.tables import (
    alert_incidents,
    cycle_steps,
    cycles,
    event_head,
    events,
    experiments,
    log_parts,
    runs,
)

Pulse = tuple[Any, ...]

_UNDER_WAY = (
    sa.select(cycle_steps.c.position + cycle_steps.c.attempts)
    .join(cycles, cycles.c.id == cycle_steps.c.cycle)
    .where(cycles.c.finished.is_(None))
)
_RUNNING = (
    sa.select(runs.c.number)
    .where(runs.c.experiment.in_(sa.select(experiments.c.id)), runs.c.status == "RUNNING")
    .limit(1000)  # more of them are not looked through every second
)
_SUM, _MAX = sa.func.sum, sa.func.max
_LAST_EVENT = sa.select(event_head.c.seq).scalar_subquery()
_LAST_PART = sa.select(_MAX(log_parts.c.created)).scalar_subquery()
_LAST_ALERT = sa.select(_MAX(alert_incidents.c.opened)).scalar_subquery()
_LOOK = sa.select(
    _LAST_EVENT,
    sa.select(_SUM(_UNDER_WAY.subquery().c[0])).scalar_subquery(),
    _LAST_PART,
    _LAST_ALERT,
    sa.select(_MAX(runs.c.number)).scalar_subquery(),
    sa.select(_SUM(_RUNNING.subquery().c[0])).scalar_subquery(),
)
_TIMES = sa.select(
    sa.select(events.c.at).where(events.c.seq == _LAST_EVENT).scalar_subquery(),
    _LAST_PART,
    _LAST_ALERT,
    sa.select(_MAX(runs.c.started)).scalar_subquery(),
)


def newest(db: Database) -> int:
    """When (ms) the newest of what :func:`feel` looks at was written, as far as it has a time."""
    with db.read() as conn:
        found = conn.execute(_TIMES).one()
    return max(int(at or 0) for at in found)


def feel(db: Database) -> Pulse:
    """What is another tuple once an event was written, a step of a cycle under way began, or
    predictions, an alert or a run came in, or a run ended."""
    with db.read() as conn:
        return tuple(conn.execute(_LOOK).one())
