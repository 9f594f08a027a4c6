"""A folder named where files are expected: all of its tables, when they are of one kind."""

from __future__ import annotations

import glob
from pathlib import Path

from everloop.data.addresses import OBJECTS, is_database, scheme
from everloop.data.sources.files import KINDS
from everloop.errors import invalid


def of_folder(source: str, base: Path) -> str:
    """The pattern of a folder's files; any other source as it is.

    Raises :class:`~everloop.errors.InvalidInput` for a folder without tables or with several kinds.
    """
    if is_database(source) or scheme(source) in OBJECTS:
        return source
    folder = base / Path(source).expanduser()
    if not folder.is_dir():
        return source
    found = {p.suffix for p in folder.rglob("*") if p.suffix.lower() in KINDS and p.is_file()}
    if len(found) != 1:
        raise invalid(
            "source", source, "a folder with files of one kind", code="unknown_file_type",
            fix=f'Name a pattern, as "{source.rstrip("/")}/*.parquet".',
        )  # fmt: skip
    return f"{glob.escape(source.rstrip('/'))}/**/*{found.pop()}"
