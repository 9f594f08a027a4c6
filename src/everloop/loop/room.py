"""What takes room in a project: its database, its blobs by what they are, its folders on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa

from everloop.loop.project import Project
from everloop.passwords import without_users
from everloop.settings import Settings
from everloop.store.database import database_url
from everloop.store.references import in_texts
from everloop.store.tables import artifact_parts, artifacts, datasets, log_parts, windows
from everloop.tracking.deletion.collection import Collected

BUDGET = 2.0  # seconds that a count may take
FOLDERS = {
    "log": "predictions not yet in the blob store",
    "packages": "cache of model packages; made again when they are needed",
    "serving": "what the data plane serves from",
    "logs": "output of steps and processes",
}


class Place(msgspec.Struct, frozen=True):
    """Something that takes room; ``count`` is of its rows, files or blobs, where that is known."""

    name: str
    bytes: int
    count: int | None
    said: str = ""


class Storage(msgspec.Struct, frozen=True):
    """What takes room.

    Attributes
    ----------
    database, blobs_url : where they are, seen from the project's folder, without passwords.
    places : the database, and the project's folders on this machine.
    blobs : those in the blob store, by what refers to them; ``nothing`` refers to what a
        collection frees once it is old enough.
    logs : rows of the prediction logs, by endpoint and kind.
    complete : whether all blobs were counted; else there are more than that.
    freed : what a collection would free now.
    seconds : how long the look took.
    """

    database: str
    blobs_url: str
    places: list[Place]
    blobs: list[Place]
    logs: list[Place]
    complete: bool
    freed: Collected
    seconds: float


def storage(
    dir: Path | str = ".", *, seconds: float = 60.0, settings: Settings | None = None
) -> Storage:
    """What takes room in the project in ``dir``; counts blobs for so many ``seconds`` at most."""
    with Project.open(dir, settings) as project:
        return measured(project, seconds)


def measured(project: Project, budget: float = BUDGET) -> Storage:
    """The same of an open project."""
    began = time.perf_counter()
    blobs, complete = _blobs(project, began + budget)
    url = database_url(project.state, project.settings)
    return Storage(
        database=_from_here(project, sa.make_url(url).render_as_string(hide_password=True)),
        blobs_url=_from_here(project, project.blobs.url),
        places=[_database(project), *_folders(project.state)],
        blobs=blobs,
        logs=_logs(project),
        complete=complete,
        freed=project.gc(dry_run=True),
        seconds=time.perf_counter() - began,
    )


def _from_here(project: Project, url: str) -> str:
    """A URL as people read it: what lies in the project's folder is told from there."""
    return without_users(url).replace(f"{project.dir.absolute().as_posix()}/", "")


def _database(project: Project) -> Place:
    with project.db.read() as conn:
        if project.db.dialect == "postgresql":
            size = conn.scalar(sa.text("SELECT pg_database_size(current_database())"))
            return Place("database", int(size or 0), None, "PostgreSQL")
        page, pages, unused = (
            int(conn.scalar(sa.text(f"PRAGMA {name}")) or 0)
            for name in ("page_size", "page_count", "freelist_count")
        )
    said = f"SQLite; {unused / max(pages, 1):.0%} of it is free for new rows"
    return Place("database", page * pages, None, said)


def _folders(state: Path) -> list[Place]:
    places = []
    for name, said in FOLDERS.items():
        sizes = list(_sizes(state / name))
        if sizes:
            places.append(Place(name, sum(sizes), len(sizes), said))
    return places


def _sizes(folder: Path) -> list[int]:
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                found.append((Path(path) / name).stat().st_size)
            except FileNotFoundError:  # somebody tidies up at this moment
                continue
    return found


def _blobs(project: Project, until: float) -> tuple[list[Place], bool]:
    """Blobs by what refers to them, as far as the time goes."""
    kinds = {"artifacts": [0, 0], "datasets": [0, 0], "prediction logs": [0, 0],
             "models, profiles and steps": [0, 0], "nothing": [0, 0]}  # fmt: skip
    complete = True
    with project.db.read() as conn:
        named = set(in_texts(conn))
    for stored in project.blobs.scan():
        if time.perf_counter() > until:
            complete = False
            break
        by_digest = {one.digest: one.size for one in stored}
        for digest, kind in _kinds(project, list(by_digest), named).items():
            kinds[kind][0] += by_digest[digest]
            kinds[kind][1] += 1
    said = {"nothing": "goes with a collection, once it has not been wanted for its time"}
    found = [
        Place(kind, size, count, said.get(kind, ""))
        for kind, (size, count) in kinds.items()
        if count
    ]
    return found, complete


def _kinds(project: Project, digests: Sequence[str], named: Collection[str]) -> dict[str, str]:
    kinds = {d: "models, profiles and steps" if d in named else "nothing" for d in digests}
    with project.db.read() as conn:
        for column, kind in (
            (artifact_parts.c.digest, "artifacts"),
            (artifacts.c.digest, "artifacts"),
            (datasets.c.digest, "datasets"),
            (log_parts.c.digest, "prediction logs"),
        ):
            query = sa.select(column).where(column.in_(digests)).distinct()
            kinds.update(dict.fromkeys(conn.scalars(query), kind))
    return kinds


def _logs(project: Project) -> list[Place]:
    parts, w = log_parts.c, windows.c
    shipped = sa.select(parts.endpoint, parts.kind, sa.func.sum(parts.rows), sa.func.count())
    shipped = shipped.group_by(parts.endpoint, parts.kind).order_by(parts.endpoint, parts.kind)
    size = sa.func.sum(sa.func.length(w.checks))
    looked = sa.select(w.endpoint, sa.func.count(), size).group_by(w.endpoint).order_by(w.endpoint)
    with project.db.read() as conn:
        logs = [
            Place(f"{name}: {kind}", 0, int(rows), f"in {count:,} parts of the blob store")
            for name, kind, rows, count in conn.execute(shipped)
        ]
        profiles = [
            Place(f"{name}: windows", int(sizes or 0), count, "what was found, in the database")
            for name, count, sizes in conn.execute(looked)
        ]
    return sorted(logs + profiles, key=lambda place: place.name)
