"""Labels and predictions that are sent as tables."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from everloop.data.sources import read_table
from everloop.errors import invalid
from everloop.loop.feeding import Feeder
from everloop.loop.logging import bring
from everloop.monitor.feedback import Fed
from everloop.monitor.foreign import Logged
from everloop.server.call import Call

COLUMNS = ("id", "label", "time")
LOG = ("layout", "id", "time", "prediction", "probability", "version", "feature", "sender")


def feedback(call: Call) -> Fed:
    """The labels in the body: CSV, Parquet, JSON lines or a JSON list of objects."""
    columns = {name: call.query.get(name) for name in COLUMNS}
    feeder = Feeder(call.project, call.path["endpoint"], **columns)
    call.project.log.ship()
    return feeder.frame(table_of(bytes(call.body), feeder.id_names))


def log(call: Call) -> Logged:
    """The predictions in the body; ``feature=NAME=COLUMN`` gives other names and ``sender=COLUMN``
    says who sent a row, both more than once if need be."""
    given: dict[str, Any] = {
        name: call.query[name]
        for name in LOG
        if name in call.query and name not in ("feature", "sender")
    }
    params = call.request.query_params
    pairs = (pair.partition("=")[::2] for pair in params.getlist("feature"))
    given["senders"] = params.getlist("sender")
    text = [name for name in (given.get("id"), "id") if name]
    rows = table_of(bytes(call.body), text)
    return bring(call.project, rows, endpoint=call.path["endpoint"], features=dict(pairs), **given)


def table_of(body: bytes, text: Collection[str] = ()) -> pl.DataFrame:
    """The rows of a body, whose first bytes tell its form; columns ``text`` stay as written."""
    start = body[:64].lstrip()
    if not start:
        raise invalid("body", "<nothing>", "a table as CSV, Parquet, JSON lines or a JSON list")
    if start.startswith(b"["):
        try:
            return pl.read_json(body)
        except pl.exceptions.PolarsError:
            raise invalid("body", "<text>", "a JSON list of objects") from None
    suffix = ".parquet" if start.startswith(b"PAR1") else ".csv"
    suffix = ".jsonl" if start.startswith(b"{") else suffix
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"body{suffix}"
        path.write_bytes(body)
        return read_table(path.name, Path(folder), text)
