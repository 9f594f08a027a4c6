"""The first page: every loop as a compact card, those that ask for something first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop import __version__
from everloop.console.endpoints.traffic import Load, Traffic, loads
from everloop.console.loops.fleet import STATES, Brief, State, read_fleet
from everloop.console.monitor.points import Point, Seen, newest_windows
from everloop.errors import invalid
from everloop.loop.cycles import Cycle
from everloop.loop.loop import loops_of
from everloop.loop.project import Project
from everloop.loop.status import VersionSummary
from everloop.store.clock import now_ms
from everloop.store.tables import cycle_steps, cycles, model_versions

CARDS = 24  # on a page
WINDOWS = 30  # of a card's trend
# What the line of a cycle says of its cause; the situation in which it was decided is long.
CAUSE = ("kind", "reason", "summary", "comment", "features", "source", "version", "by")


class CycleLine(msgspec.Struct, frozen=True):
    """A cycle in one line; its page has the evidence."""

    id: str
    number: int
    state: str
    verdict: str | None
    reason: str | None
    cause: dict[str, Any]
    version: int | None
    started: int
    finished: int | None


class LoopCard(msgspec.Struct, frozen=True):
    """One loop at a glance.

    ``step`` is the one under way, ``waits`` for whom it waits, in a clause. ``performance`` are
    the scores of the newest :data:`WINDOWS` windows, ``decided`` is the newest cycle that ended.
    """

    brief: Brief
    step: str | None
    waits: str
    champion: VersionSummary | None
    challenger: VersionSummary | None
    performance: list[Point]
    newest: Seen | None
    load: Load | None
    decided: CycleLine | None

    @property
    def now(self) -> Point | None:
        """The newest window that has a score, from labels before estimates."""
        found = [p for p in self.performance if p.value is not None] or self.performance
        return found[-1] if found else None


class Asked(msgspec.Struct, frozen=True):
    """What the page was asked for: part of a name, a state, and the place to go on from."""

    name: str = ""
    state: str = ""
    after: str = ""


EVERYTHING = Asked()


class Overview(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/index.json``; ``states`` counts all loops by state."""

    project: str
    version: str
    at: int
    serve_url: str
    serving: bool
    states: dict[State, int]
    asked: Asked
    loops: list[LoopCard]
    next: str | None


def read_overview(
    project: Project, serve_url: str, traffic: Mapping[str, Traffic], asked: Asked = EVERYTHING
) -> Overview:
    """A handful of queries, however many loops there are.

    Raises :class:`~everloop.errors.InvalidInput` for a place that no page ended at.
    """
    if asked.after and asked.after.partition(".")[0] not in STATES:
        raise invalid("query.after", asked.after, 'the "next" of the page before')
    declared = [loop.declaration for loop in loops_of(project)]
    fleet = read_fleet(project, declared, traffic)
    counted = Counter(brief.state for brief in fleet)
    found = [brief for brief in fleet if _wanted(brief, asked)]
    shown = found[:CARDS]
    return Overview(
        project=project.dir.name,
        version=__version__,
        at=now_ms(),
        serve_url=serve_url,
        serving=project.serving() is not None,
        states={state: counted[state] for state in STATES if counted[state]},
        asked=asked,
        loops=read_cards(project, shown, traffic),
        next=_place(shown[-1]) if len(found) > CARDS else None,
    )


def _place(brief: Brief) -> str:
    """Where a page ends: the next one goes on after it, whatever has changed in between."""
    return f"{brief.state}.{brief.loop}"


def _wanted(brief: Brief, asked: Asked) -> bool:
    if asked.state and brief.state != asked.state:
        return False
    state, _, loop = asked.after.partition(".")
    if asked.after and brief.key <= (STATES.index(state), loop):
        return False
    return asked.name.casefold() in brief.loop.casefold()


def read_cards(
    project: Project, briefs: Sequence[Brief], traffic: Mapping[str, Traffic]
) -> list[LoopCard]:
    """The cards of some loops, all read together."""
    under_way = [b.cycle.id for b in briefs if b.cycle and b.cycle.finished is None]
    waiting = [b.cycle.id for b in briefs if b.cycle and b.cycle.state == "waiting"]
    versions = _summaries(project, briefs)
    windows = newest_windows(project.db, [b.endpoint for b in briefs], WINDOWS)
    steps = _steps(project, under_way)
    waits = project.decisions.clauses(waiting)
    load = loads(project, [b.endpoint for b in briefs], traffic)
    ended = _ended(project, [b.loop for b in briefs])
    return [
        LoopCard(
            brief=b,
            step=steps.get(b.cycle.id) if b.cycle else None,
            waits=waits.get(b.cycle.id, "") if b.cycle else "",
            champion=versions.get((b.loop, b.champion or 0)),
            challenger=versions.get((b.loop, b.challenger or 0)),
            performance=[seen.point for seen in windows[b.endpoint] if seen.point is not None],
            newest=windows[b.endpoint][-1] if windows[b.endpoint] else None,
            load=load.get(b.endpoint),
            decided=ended.get(b.loop),
        )
        for b in briefs
    ]


def _steps(project: Project, ids: list[str]) -> dict[str, str | None]:
    """The step under way of each cycle."""
    if not ids:
        return {}
    done = project.cycles.done_steps(ids)
    with project.db.read() as conn:
        rows = conn.execute(sa.select(cycles.c.id, cycles.c.plan).where(cycles.c.id.in_(ids))).all()
    return {
        row.id: next((n for n in msgspec.json.decode(row.plan) if n not in done[row.id]), None)
        for row in rows
    }


def _ended(project: Project, loops: list[str]) -> dict[str, CycleLine]:
    """The newest cycle of each loop that has ended."""
    of = cycles.c.loop.in_(loops) & cycles.c.finished.is_not(None)
    last = sa.select(cycles.c.loop, sa.func.max(cycles.c.number)).where(of)
    newest = sa.tuple_(cycles.c.loop, cycles.c.number).in_(last.group_by(cycles.c.loop))
    names = CycleLine.__struct_fields__
    query = sa.select(cycles.c.loop, *(cycles.c[name] for name in names)).where(newest)
    with project.db.read() as conn:
        rows = conn.execute(query).all()
    return {row.loop: _row_line(row) for row in rows}


def _row_line(row: Any) -> CycleLine:
    values = {name: getattr(row, name) for name in CycleLine.__struct_fields__}
    return CycleLine(**values | {"cause": _brief(msgspec.json.decode(row.cause))})


def cycle_line(cycle: Cycle) -> CycleLine:
    """A cycle without what only its own page shows."""
    values = {name: getattr(cycle, name) for name in CycleLine.__struct_fields__}
    return CycleLine(**values | {"cause": _brief(cycle.cause)})


def _brief(cause: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cause.items() if name in CAUSE}


class _Measured(msgspec.Struct, frozen=True):
    value: float | None = None
    low: float | None = None
    high: float | None = None


class _Tested(msgspec.Struct, frozen=True):
    """What a summary needs of an evaluate step."""

    metric: str | None = None
    metrics: dict[str, _Measured] = {}


def _summaries(project: Project, briefs: Sequence[Brief]) -> dict[tuple[str, int], VersionSummary]:
    """Champions and challengers, with what each was measured at."""
    wanted = [
        (b.loop, version)
        for b in briefs
        for version in (b.champion, b.challenger)
        if version is not None
    ]
    _v, _s = model_versions.c, cycle_steps.c
    tested = (_s.cycle == _v.cycle) & (_s.step == "evaluate")
    query = (
        sa.select(_v.model, _v.version, _v.algorithm, _v.created, _s.result)
        .join_from(model_versions, cycle_steps, tested, isouter=True)
        .where(sa.tuple_(_v.model, _v.version).in_(wanted))
    )
    with project.db.read() as conn:
        rows = conn.execute(query).all() if wanted else []
    return {(row.model, row.version): _summary(row) for row in rows}


def _summary(row: Any) -> VersionSummary:
    found = msgspec.json.decode(row.result or "{}", type=_Tested)
    own = found.metrics.get(found.metric or "", _Measured())
    return VersionSummary(
        row.version, row.algorithm or "unknown", found.metric, own.value, own.low, own.high,
        row.created,
    )  # fmt: skip
