"""Where backtests lie in a project's folder, and which there are."""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec

from everloop.errors import Conflict, NotFound, invalid
from everloop.loop.backtests.records import Backtested, Begun, Listed
from everloop.loop.lock import hold
from everloop.loop.project import Project
from everloop.tracking.moving.queue import Move

PLAN, REPORT, PAGE = "backtest.json", "report.json", "report.html"
LOCK, DONE = "lock", "windows-done"
BASE, ROWS = "base", "rows.parquet"


def new_id() -> str:
    """An id that no backtest has."""
    return uuid.uuid4().hex[:8]


def folder_of(project: Project, id: str) -> Path:
    """Where a backtest lies; raises :class:`~everloop.errors.InvalidInput` for what is no id."""
    if not id.isalnum() or len(id) > 32:
        raise invalid("backtest", id, "the id of a backtest")
    return project.state / "backtests" / id


def read_begun(folder: Path) -> Begun:
    """Raises :class:`~everloop.errors.NotFound`."""
    try:
        return msgspec.json.decode((folder / PLAN).read_bytes(), type=Begun)
    except FileNotFoundError:
        raise NotFound(
            f"backtest: got {folder.name!r}, which does not exist.", path="backtest",
            got=folder.name, fix="everloop backtest --list shows those that do.",
        ) from None  # fmt: skip


def read_result(folder: Path) -> Backtested:
    """The report of a backtest that is over."""
    return msgspec.json.decode((folder / REPORT).read_bytes(), type=Backtested)


def backtests(project: Project) -> list[Listed]:
    """All of a project, the newest first; also those that a server was only asked for."""
    asked = {move.id: move for move in project.moves.page("backtest", limit=1000).items}
    folders = (project.state / "backtests").glob(f"*/{PLAN}")
    found = {
        path.parent.name: _listed(path.parent, asked.get(path.parent.name)) for path in folders
    }
    waiting = [_asked(move) for id, move in asked.items() if id not in found]
    return sorted([*found.values(), *waiting], key=lambda one: (-one.created, one.id))


def backtest_of(project: Project, id: str) -> Listed:
    """One of them, with its result when it is over; raises NotFound."""
    folder = folder_of(project, id)
    asked = [m for m in project.moves.page("backtest", limit=1000).items if m.id == id]
    if not (folder / PLAN).exists() and asked:
        return _asked(asked[0])
    listed = _listed(folder, asked[0] if asked else None)
    if listed.state != "done":
        return listed
    return msgspec.structs.replace(listed, result=read_result(folder))


def page_of(project: Project, id: str) -> bytes:
    """The report as HTML; raises :class:`~everloop.errors.Conflict` before it is there."""
    folder = folder_of(project, id)
    read_begun(folder)
    try:
        return (folder / PAGE).read_bytes()
    except FileNotFoundError:
        raise Conflict(
            f"backtest {id}: is not over, so there is no report yet.", code="not_over",
            path="backtest", fix=f"everloop backtest --resume {id} goes on with it.",
        ) from None  # fmt: skip


def _listed(folder: Path, move: Move | None) -> Listed:
    begun = read_begun(folder)
    over = (folder / REPORT).exists()
    total = len(begun.policies) * begun.count
    return Listed(
        id=begun.id, loop=begun.loop, created=begun.created, total=total,
        state="done" if over else _state(folder, move),
        done=total if over else _done(folder),
        policies=[policy.name for policy in begun.policies],
        error="" if over or move is None or move.error is None else move.error["message"],
    )  # fmt: skip


def _done(folder: Path) -> int:
    """How many windows were played, as far as it was told."""
    file = folder / DONE
    return int(file.read_text()) if file.exists() else 0


def _state(folder: Path, move: Move | None) -> str:
    busy = Conflict("backtest: another process is at it.", code="backtest_busy")
    try:
        hold(folder / LOCK, busy).close()
    except Conflict:
        return "running"
    return "cut off" if move is None or move.state == "done" else move.state


def _asked(move: Move) -> Listed:
    """What is still only asked for, or was refused."""
    return Listed(
        id=move.id, loop=move.options.get("loop") or "", created=move.created, state=move.state,
        done=0, total=0, policies=list(move.options.get("policies", {})),
        error="" if move.error is None else move.error["message"],
    )  # fmt: skip
