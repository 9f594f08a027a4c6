"""``el.runs``: runs as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import polars as pl

from everloop.errors import NotFound, invalid
from everloop.settings import state_dir
from everloop.store.database import Database, database_url
from everloop.store.filter.ordering import parse_order
from everloop.tracking.client.place import Place, place_of
from everloop.tracking.client.remote import ServerTarget
from everloop.tracking.experiments import number_named
from everloop.tracking.records import View
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.frames import run_frames

_GROUPS = {"metric": "metrics", "parameter": "params", "tag": "tags"}
_ATTRIBUTES = {
    "run_id": "run_id",
    "run_name": "name",
    "user_id": "user",
    "status": "status",
    "start_time": "started",
    "end_time": "finished",
}


def runs(
    experiment: str | None = None,
    filter: str = "",
    order_by: str | Sequence[str] | None = None,
    *,
    view: View = "active",
    dir: Path | str = ".",
    server: str | None = None,
) -> pl.DataFrame:
    """Runs as a table: one row a run, with ``params.NAME``, ``tags.NAME`` and ``metrics.NAME``.

    >>> el.runs("digits", "metrics.loss < 0.3", "metrics.loss")  # doctest: +SKIP

    Parameters
    ----------
    experiment : a name; without it the runs of all experiments.
    filter : such as ``params.lr = '0.1' AND (metrics.acc > 0.9 OR tags.stage = 'final')``.
    order_by : such as ``metrics.acc DESC``, or several; the newest first without it. Runs that
        have no value come last.
    view : ``active``, ``deleted`` or ``all``.
    dir : the project's folder.
    server : the server's address; by default ``EVERLOOP_SERVER``, and without that the folder's
        own database is read.
    """
    clauses = [order_by] if isinstance(order_by, str) else order_by
    columns = _columns(clauses)
    place = place_of(dir, server)
    frame = (_from_server if place.server else _from_folder)(place, experiment, filter, view)
    return _sorted(frame, columns)


def _from_server(place: Place, experiment: str | None, filter: str, view: View) -> pl.DataFrame:
    query = {"filter": filter, "view": view}
    if experiment is not None:
        query["experiment"] = experiment
    target = ServerTarget(place.server, place.settings.token)
    try:
        return pl.read_ipc_stream(target.request("GET", f"/api/v1/runs.arrow?{urlencode(query)}"))
    finally:
        target.close()


def _from_folder(place: Place, experiment: str | None, filter: str, view: View) -> pl.DataFrame:
    state = state_dir(place.folder)
    if not place.settings.database_url and not (state / "everloop.db").exists():
        raise NotFound(f"dir: there is no project in {place.folder}.", path="dir")
    db = Database(database_url(state, place.settings))
    try:
        db.upgrade()
        chosen = None if experiment is None else [number_named(db, experiment)]
        return pl.concat(run_frames(db, chosen, filter, view))
    finally:
        db.close()


def _columns(clauses: Sequence[str] | None) -> list[tuple[str, bool]]:
    """The columns to sort by, and whether the largest comes first."""
    found = []
    for order in parse_order(clauses, RUN_FIELDS):
        if order.entity in _GROUPS:
            name = f"{_GROUPS[order.entity]}.{order.key}"
        elif order.key in _ATTRIBUTES:
            name = _ATTRIBUTES[order.key]
        else:
            raise invalid("order_by", order.key, "a column of the table")
        found.append((name, order.descending))
    return found


def _sorted(frame: pl.DataFrame, columns: list[tuple[str, bool]]) -> pl.DataFrame:
    frame = frame.reverse()
    known = [(name, down) for name, down in columns if name in frame.columns]
    if not known:
        return frame
    values = [
        pl.col(name).fill_nan(None) if frame.schema[name].is_float() else pl.col(name)
        for name, _ in known
    ]
    return frame.sort(
        values, descending=[down for _, down in known], nulls_last=True, maintain_order=True
    )
