"""A loop's page: where it stands, what it decided over time, and what it is told to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.console.drawing.track import CycleBar, read_bars
from everloop.console.endpoints.traffic import ArmTraffic, Traffic, arms_with_traffic
from everloop.console.loops.fleet import read_fleet
from everloop.console.loops.overview import CycleLine, LoopCard, cycle_line, read_cards
from everloop.console.monitor.done import Done, what_was_done
from everloop.console.monitor.points import Seen, newest_windows
from everloop.errors import NotFound
from everloop.loop.cycles import Cycle
from everloop.loop.declared import declared_text
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.loop.realised import read_realised
from everloop.loop.status import stage_of
from everloop.monitor.alerting.desk import AlertLine
from everloop.store.clock import now_ms
from everloop.store.leases import living
from everloop.store.tables import events
from everloop.update.realised import Realised

CYCLES, ALERTS, WINDOWS, CHANGES = 20, 8, 120, 10


class PastCycle(msgspec.Struct, frozen=True):
    """A cycle in one line, with what it gained as far as labels tell."""

    line: CycleLine
    expected: float | None
    realised: float | None


class Change(msgspec.Struct, frozen=True):
    """When the loop was declared otherwise, by whom, and what is different, a key each."""

    at: int
    actor: str
    first: bool
    what: list[str]


class Controllers(msgspec.Struct, frozen=True):
    """Who runs the loop's cycle (None while none is run), and all controllers that live."""

    holder: str | None
    living: list[str]


class LoopPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/loops/NAME.json``.

    ``bars`` are the newest cycles, ``cycles`` a page of them and ``before`` leads to older ones;
    ``brought`` says what the newest promotion gained.
    """

    at: int
    description: str
    card: LoopCard
    stage: str
    step: str | None
    arms: list[ArmTraffic]
    windows: list[Seen]
    bars: list[CycleBar]
    cycles: list[PastCycle]
    before: int | None
    newest: bool
    brought: str
    alerts: list[AlertLine]
    done: dict[str, Done]
    declared: str
    changes: list[Change]
    controllers: Controllers


def read_loop(
    project: Project, loop: Loop, traffic: Mapping[str, Traffic], before: int | None = None
) -> LoopPage:
    """``before`` is the number of the cycle that the list goes on from."""
    declared, endpoint = loop.declaration, loop.endpoint
    card = read_cards(project, read_fleet(project, [declared], traffic), traffic)[0]
    past = project.cycles.page(loop.name, before=before, limit=CYCLES)
    found = project.alerts.page(endpoint, limit=ALERTS)
    head = card.brief.cycle
    return LoopPage(
        at=now_ms(),
        description=declared.loop.description,
        card=card,
        stage=stage_of(head is not None, card.step),
        step=card.step,
        arms=_arms(project, endpoint, traffic),
        windows=newest_windows(project.db, [endpoint], WINDOWS)[endpoint],
        bars=read_bars(project.db, loop.name, before),
        cycles=[_past(cycle) for cycle in past],
        before=past[-1].number if len(past) == CYCLES and past[-1].number > 1 else None,
        newest=before is None,
        brought=_brought(past) if before is None else "",
        alerts=found,
        done=what_was_done(project, found),
        declared=declared_text(declared),
        changes=_changes(project, loop.name),
        controllers=_controllers(project, loop.name),
    )


def _arms(project: Project, endpoint: str, traffic: Mapping[str, Traffic]) -> list[ArmTraffic]:
    try:
        arms = msgspec.to_builtins(project.endpoints.get(endpoint).arms)
    except NotFound:
        return []
    return arms_with_traffic(arms, traffic.get(endpoint))


def _past(cycle: Cycle) -> PastCycle:
    found = _realised(cycle)
    expected = found.expected.gain if found is not None and found.expected else None
    return PastCycle(cycle_line(cycle), expected, None if found is None else found.gain)


def _realised(cycle: Cycle) -> Realised | None:
    try:
        return read_realised(cycle)
    except msgspec.ValidationError:  # of another version of everloop
        return None


def _brought(past: list[Cycle]) -> str:
    """What the newest promotion gained; empty before a label tells."""
    newest = next((cycle for cycle in past if cycle.verdict == "promoted"), None)
    found = None if newest is None else _realised(newest)
    return found.sentence() if found is not None and found.gain is not None else ""


def _changes(project: Project, loop: str) -> list[Change]:
    mine = (events.c.subject == f"loop/{loop}") & (events.c.kind == "loop.declared")
    query = sa.select(events.c.at, events.c.actor, events.c.payload).where(mine)
    with project.db.read() as conn:
        rows = conn.execute(query.order_by(events.c.seq.desc()).limit(CHANGES)).all()
    return [_change(row) for row in rows]


def _change(row: Any) -> Change:
    said = msgspec.json.decode(row.payload)
    return Change(row.at, row.actor, not said.get("changed"), said.get("changes") or [])


def _controllers(project: Project, loop: str) -> Controllers:
    held = living(project.db, "")
    names = (n for n in held if n.startswith(("controller/", "plane/")))
    holder = held.get(f"loop/{loop}")
    return Controllers(
        None if holder is None else holder.rpartition(":")[0],
        sorted(name.partition("/")[2] for name in names),
    )
