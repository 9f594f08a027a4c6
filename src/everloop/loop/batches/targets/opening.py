"""From the words of a request to the place that is held."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from everloop.data.addresses import OBJECTS, check_database, is_database, scheme
from everloop.errors import invalid
from everloop.loop.batches.records import Batch
from everloop.loop.batches.targets._base import Target
from everloop.loop.batches.targets.database import Database
from everloop.loop.batches.targets.folder import Folder
from everloop.passwords import without_passwords

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,50}")


def open_target(batch: Batch, base: Path, state: Path) -> Target:
    """Hold the place that ``batch.to`` names, from the folder ``base``.

    Raises :class:`~everloop.errors.InvalidInput` for what is none, and
    :class:`~everloop.errors.Conflict` when another process has it.
    """
    if not is_database(batch.to):
        if scheme(batch.to) in OBJECTS:
            raise invalid(
                "to", batch.to, "a folder or a database",
                fix="Write to a folder, and copy that with the store's own tool.",
            )  # fmt: skip
        if batch.table is not None:
            raise invalid("table", batch.table, f"none, as {batch.to} is a folder")
        return Folder(base / Path(batch.to).expanduser())
    if scheme(batch.to) == "duckdb":
        raise invalid("to", batch.to, "a folder of Parquet, which DuckDB reads as it is")
    if batch.table is None or not _TABLE.fullmatch(batch.table):
        raise invalid(
            "table", batch.table, f"the name of a new table in {without_passwords(batch.to)}"
        )
    check_database(batch.to)
    name = hashlib.sha256(f"{batch.to} {batch.table}".encode()).hexdigest()[:16]
    return Database(batch.to, batch.table, state / "batches" / f"{name}.lock", base)
