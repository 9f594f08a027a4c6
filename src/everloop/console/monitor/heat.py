"""Feature by window: how far each is from its reference, and what alarmed, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from everloop.console.monitor.points import NARROW, Point, Seen, seen_of
from everloop.console.words import score, share
from everloop.store.database import Database
from everloop.store.tables import windows

WINDOWS = 24  # on a page
LEVELS = (0.05, 0.15, 0.3, 0.5)  # effects from which a cell is a shade darker
PREDICTION = "(prediction)"

Mark = Literal["", "within", "drift", "far", "fault", "quarantine", "worse", "doubt"]
MARKS: tuple[Mark, ...] = (
    "", "within", "drift", "far", "fault", "quarantine", "worse", "doubt",
)  # fmt: skip


class Cell(msgspec.Struct, frozen=True):
    """What was found of one feature in one window.

    ``level`` is how dark it is, 0 to 4; ``mark`` what alarmed: a drift in a part of the rows, in
    all, far enough for an update, a fault, one in quarantine, a worse score, one that is expected.
    """

    level: int
    mark: Mark = ""
    said: str = ""
    text: str = ""


class HeatRow(msgspec.Struct, frozen=True):
    """A line of the table; ``cells`` are None where nothing was looked at."""

    name: str
    kind: Literal["performance", "labels", "prediction", "rows", "feature"]
    alarms: int
    cells: list[Cell | None]


class Heat(msgspec.Struct, frozen=True):
    """The windows, oldest first, and the rows, those that alarmed most before the others.

    ``before`` leads to older windows, ``newer`` to newer ones (0 to the newest).
    """

    windows: list[Seen]
    rows: list[HeatRow]
    before: int | None
    newer: int | None


class _Drift(msgspec.Struct, frozen=True):
    effect: float | None = None
    drifted: bool = False
    far: bool = False
    summary: str = ""
    feature: str | None = None
    moved: str | None = None


class _Fault(msgspec.Struct, frozen=True):
    summary: str = ""
    quarantine: bool = False


class Found(msgspec.Struct, frozen=True):
    """What the table needs of a window's checks; the rest is not decoded."""

    drift: dict[str, _Drift] = {}
    segments: dict[str, _Drift] = {}
    faults: dict[str, _Fault] = {}


_DECODER = msgspec.json.Decoder(Found)


def read_heat(db: Database, endpoint: str, before: int | None = None) -> Heat:
    """The newest windows of an endpoint, or those that start before ``before``."""
    _w = windows.c
    here = _w.endpoint == endpoint
    query = sa.select(*NARROW, _w.checks).where(here)
    if before is not None:
        query = query.where(_w.start < before)
    with db.read() as conn:
        rows = conn.execute(query.order_by(_w.start.desc()).limit(WINDOWS + 1)).all()
        newest = rows[0].start if rows else 0
        later = sa.select(_w.start).where(here, _w.start > newest).order_by(_w.start)
        starts = list(conn.scalars(later.limit(WINDOWS + 1))) if before is not None else []
    shown = rows[:WINDOWS][::-1]
    seen = [seen_of(row) for row in shown]
    found = [_DECODER.decode(row.checks) for row in shown]
    newer = None
    if starts:
        newer = starts[-1] if len(starts) > WINDOWS else 0
    return Heat(
        windows=seen,
        rows=_rows(seen, found) if seen else [],
        before=seen[0].start if len(rows) > WINDOWS else None,
        newer=newer,
    )


def _rows(seen: Sequence[Seen], found: Sequence[Found]) -> list[HeatRow]:
    names = dict.fromkeys(
        name for one in found for name in (*one.drift, *one.faults) if name != "(labels)"
    )
    rows = [_feature(name, found) for name in names]
    rows.sort(key=_place)
    return [_performance(seen), _labels(seen, found), *rows]


def _place(row: HeatRow) -> tuple[bool, int, float, str]:
    """The answers first, then what alarmed most, then what moved most."""
    moved = sum(cell.level for cell in row.cells if cell is not None)
    return row.kind != "prediction", -row.alarms, -moved, row.name


def _feature(name: str, found: Sequence[Found]) -> HeatRow:
    cells = [_cell(name, one) for one in found]
    kind: Any = "rows" if name.startswith("(") else "feature"
    return _row(name, "prediction" if name == PREDICTION else kind, cells)


def _row(name: str, kind: Any, cells: list[Cell | None]) -> HeatRow:
    return HeatRow(name, kind, sum(bool(cell and cell.mark) for cell in cells), cells)


def _cell(name: str, found: Found) -> Cell | None:
    fault, drift = found.faults.get(name), found.drift.get(name)
    effect = min(max((drift.effect or 0.0) if drift else 0.0, 0.0), 1.0)
    level = sum(effect >= least for least in LEVELS)
    if fault is not None:
        return Cell(4, "quarantine" if fault.quarantine else "fault", fault.summary)
    if drift is not None and drift.drifted:
        return Cell(level, "far" if drift.far else "drift", _drifted(drift))
    parts = [
        (place, one) for place, one in found.segments.items() if one.drifted and one.feature == name
    ]
    if parts:
        worst = max(parts, key=lambda part: part[1].effect or 0.0)[1]
        return Cell(level, "within", f"in a part of the rows: {_drifted(worst)}")
    return None if drift is None else Cell(level, "", _drifted(drift) if level else "")


def _drifted(drift: _Drift) -> str:
    return f"{drift.summary}, effect {drift.effect or 0:.2f} of 1"


def _performance(seen: Sequence[Seen]) -> HeatRow:
    return _row("score", "performance", [_scored(one.point) for one in seen])


def _scored(point: Point | None) -> Cell | None:
    if point is None:
        return None
    value = point.value if point.value is not None else point.expected
    mark: Mark = "worse" if point.worse else "doubt" if point.doubtful else ""
    said = f"{score(value)}{'' if point.value is not None else ' expected'}"
    if point.baseline is not None:
        said += f", {score(point.baseline)} when tested"
    return Cell(0, mark, said, _short(value))


def _short(value: float | None) -> str:
    """A score in the width of a cell: ``.73``, ``12``."""
    if value is None:
        return ""
    if 0 <= value < 1:
        return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0e}"


def _labels(seen: Sequence[Seen], found: Sequence[Found]) -> HeatRow:
    cells: list[Cell | None] = []
    for one, checks in zip(seen, found, strict=True):
        part = one.labelled / one.rows if one.rows else 0.0
        fault = checks.faults.get("(labels)")
        said = f"{one.labelled:,} of {one.rows:,} rows labelled"
        if fault is not None:
            cells.append(Cell(4, "quarantine" if fault.quarantine else "fault", fault.summary))
        else:
            cells.append(Cell(0, "", said, share(part).split(".")[0].strip("<> %") or "0"))
    return _row("labels, %", "labels", cells)
