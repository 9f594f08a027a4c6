"""Finding anything of a project by its name or id: a few bounded queries, whatever it holds.

What there are few of (loops, models, endpoints, experiments) is looked through by any part of the
name. Of what there may be millions of, ids are found by how they begin, in an index, and names
among the newest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import sqlalchemy as sa

from everloop.errors import EverloopError, invalid
from everloop.loop.project import Project
from everloop.settings import Settings
from everloop.store.tables import (
    alert_incidents,
    cycles,
    datasets,
    endpoints,
    events,
    experiments,
    loops,
    models,
    runs,
)
from everloop.verbs import VERBS

MOST = 8  # of a kind
LOOKED_AT = 5000  # of the newest runs, datasets, alerts and events, by their names
LONGEST = 200
PAGES = {
    "/": ("Loops", "every loop, its state and its champion"),
    "/runs": ("Runs", "the table of runs"),
    "/models": ("Models", "registered models and their versions"),
    "/endpoints": ("Endpoints", "what answers where, and how it fares"),
    "/datasets": ("Datasets", "versions of data, compared"),
    "/alerts": ("Alerts", "what went wrong, silences"),
    "/alerts/rules": ("Rules and channels", "who is told of alerts"),
    "/backtests": ("Backtests", "policies side by side"),
    "/events": ("Events and audit", "who did what; the chain verified"),
    "/access": ("Access", "people, tokens, roles, sessions"),
    "/settings": ("Settings", "every setting and where it came from"),
    "/storage": ("Storage", "what takes room, garbage collection"),
    "/operations": ("Operations", "webhooks, imports, exports"),
}


class Hit(msgspec.Struct, frozen=True):
    """One thing: its kind, its name, a few words more, and the page that shows it."""

    kind: str
    name: str
    page: str
    said: str = ""
    at: int | None = None


class Group(msgspec.Struct, frozen=True):
    """What was found of one kind; ``more`` says that there is more than is shown."""

    kind: str
    hits: list[Hit]
    more: bool


class Found(msgspec.Struct, frozen=True):
    """Everything that was found, in groups; ``seconds`` is how long it took."""

    text: str
    groups: list[Group]
    seconds: float


def search(text: str, dir: Path | str = ".", *, settings: Settings | None = None) -> Found:
    """Find loops, models, versions, runs, experiments, datasets, endpoints, alerts, events, pages
    and commands of the project in ``dir`` by a part of the name, or the beginning of an id."""
    with Project.open(dir, settings) as project:
        return find(project, text)


def find(project: Project, text: str) -> Found:
    """The same in an open project; nothing for an empty text.

    Raises :class:`~everloop.errors.InvalidInput` for one that is too long.
    """
    began, wanted = time.perf_counter(), text.strip()
    if len(wanted) > LONGEST:
        raise invalid("query.q", f"<{len(wanted)} characters>", f"at most {LONGEST}")
    groups: list[Group] = []
    if wanted:
        with project.db.read() as conn:
            found = {kind: look(conn, wanted) for kind, look in _LOOKS.items()}
        found = {"versions": _versions(project, wanted), **found}
        groups = [
            Group(kind, hits[:MOST], len(hits) > MOST) for kind, hits in found.items() if hits
        ]
    return Found(wanted, groups, time.perf_counter() - began)


def _contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    folded = sa.func.lower(column).contains(text.lower(), autoescape=True)
    return folded | column.contains(text, autoescape=True)  # SQLite folds no letter beyond ASCII


def _begins(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """A range of an index: of hexadecimal digits, which every collation has in one order."""
    return (column >= text) & (column < text + "g")


def _named(
    conn: sa.Connection, kind: str, column: sa.Column[Any], text: str, page: str
) -> list[Hit]:
    query = sa.select(column).where(_contains(column, text)).order_by(column).limit(MOST + 1)
    return [Hit(kind, name, page + quote(name, safe="")) for name in conn.scalars(query)]


def _loops(conn: sa.Connection, text: str) -> list[Hit]:
    return _named(conn, "loop", loops.c.name, text, "/loops/")


def _models(conn: sa.Connection, text: str) -> list[Hit]:
    return _named(conn, "model", models.c.name, text, "/models/")


def _endpoints(conn: sa.Connection, text: str) -> list[Hit]:
    return _named(conn, "endpoint", endpoints.c.name, text, "/endpoints/")


def _experiments(conn: sa.Connection, text: str) -> list[Hit]:
    e = experiments.c
    found = _contains(e.name, text)
    if text.isdecimal() and len(text) < 10:
        found |= e.id == int(text)
    query = sa.select(e.id, e.name).where(found, e.deleted.is_(None)).order_by(e.name)
    return [
        Hit("experiment", name, "/runs?" + urlencode({"experiment": name}), f"experiment {id}")
        for id, name in conn.execute(query.limit(MOST + 1))
    ]


def _runs(conn: sa.Connection, text: str) -> list[Hit]:
    r = runs.c
    columns = (r.id, r.name, r.status, r.started)
    found: dict[str, Hit] = {}
    queries = []
    if re.fullmatch(r"[0-9a-f]{2,32}", text.lower()):
        queries.append(sa.select(*columns).where(_begins(r.id, text.lower()), r.deleted.is_(None)))
    newest = sa.select(*columns).where(r.deleted.is_(None)).order_by(r.started.desc(), r.number)
    few = newest.limit(LOOKED_AT).subquery()
    queries.append(sa.select(few).where(_contains(few.c.name, text)).order_by(few.c.started.desc()))
    for query in queries:
        for id, name, status, started in conn.execute(query.limit(MOST + 1)):
            said = f"{status.lower()} · {id[:8]}"
            found.setdefault(id, Hit("run", name or id, f"/runs/{id}", said, started))
    return list(found.values())


def _cycles(conn: sa.Connection, text: str) -> list[Hit]:
    c = cycles.c
    number = re.fullmatch(r"(?:cycle\s*)?#?(\d{1,9})", text.lower())
    where = c.number == int(number[1]) if number else c.id == text
    if not number and re.fullmatch(r"[0-9a-f]{4,64}", text.lower()):
        where = _begins(c.id, text.lower())
    query = sa.select(c.id, c.loop, c.number, c.verdict, c.state, c.started).where(where)
    return [
        Hit("cycle", f"cycle {n} of {loop}", f"/cycles/{id}", verdict or state, started)
        for id, loop, n, verdict, state, started in conn.execute(query.limit(MOST + 1))
    ]


def _datasets(conn: sa.Connection, text: str) -> list[Hit]:
    d = datasets.c
    newest = sa.select(d.digest, d.name, d.rows, d.created).order_by(d.created.desc())
    few = newest.limit(LOOKED_AT).subquery()
    found = _contains(few.c.name, text)
    if re.fullmatch(r"[0-9a-f]{4,64}", text.lower()):
        found |= _begins(few.c.digest, text.lower())
    query = sa.select(few).where(found).order_by(few.c.created.desc()).limit(MOST + 1)
    return [
        Hit("dataset", name, f"/datasets/{digest}", f"{rows:,} rows · {digest[:8]}", created)
        for digest, name, rows, created in conn.execute(query)
    ]


def _alerts(conn: sa.Connection, text: str) -> list[Hit]:
    a = alert_incidents.c
    newest = sa.select(a.id, a.endpoint, a.kind, a.feature, a.summary, a.state, a.opened)
    few = newest.order_by(a.opened.desc(), a.id).limit(LOOKED_AT).subquery().c
    found = _contains(few.summary, text) | _contains(few.endpoint, text) | (few.id == text)
    query = sa.select(*few).where(found | _contains(few.feature, text))
    return [
        Hit("alert", row.summary, f"/alerts/{row.id}", f"{row.state} · {row.kind}", row.opened)
        for row in conn.execute(query.order_by(few.opened.desc()).limit(MOST + 1))
    ]


def _events(conn: sa.Connection, text: str) -> list[Hit]:
    """What the newest events are about."""
    newest = sa.select(events.c.subject, events.c.at).order_by(events.c.seq.desc())
    few = newest.limit(LOOKED_AT).subquery().c
    last = sa.func.max(few.at)
    query = sa.select(few.subject, last).where(_contains(few.subject, text))
    query = query.group_by(few.subject).order_by(last.desc()).limit(MOST + 1)
    return [
        Hit("events", subject, "/events?" + urlencode({"subject": subject}), "", at)
        for subject, at in conn.execute(query)
    ]


def _versions(project: Project, text: str) -> list[Hit]:
    """A version by ``name/3``, ``name@alias`` or ``name 3``."""
    reference = re.sub(r"\s+(?:version\s+)?(?=\d+$)", "/", text)
    with suppress(EverloopError):
        if re.search(r"/\d+$|@", reference):
            found = project.registry.resolve(reference)
            page = f"/models/{quote(found.model, safe='')}/versions/{found.version}"
            name = f"{found.model} version {found.version}"
            return [Hit("version", name, page, found.algorithm or "", found.created)]
    return []


def _pages(conn: sa.Connection, text: str) -> list[Hit]:
    return [
        Hit("page", name, path, said)
        for path, (name, said) in PAGES.items()
        if text.lower() in f"{name} {said}".lower()
    ]


def _commands(conn: sa.Connection, text: str) -> list[Hit]:
    words = text.lower().removeprefix("everloop ").strip()
    return [
        Hit("command", f"everloop {verb}", "", said)
        for verb, (said, _) in VERBS.items()
        if words in verb or (len(words) > 2 and words in said.lower())
    ]


_LOOKS: dict[str, Callable[[sa.Connection, str], list[Hit]]] = {
    "loops": _loops,
    "models": _models,
    "endpoints": _endpoints,
    "runs": _runs,
    "experiments": _experiments,
    "cycles": _cycles,
    "datasets": _datasets,
    "alerts": _alerts,
    "pages": _pages,
    "commands": _commands,
    "events": _events,
}
