"""What a page shows of an artifact, so that nobody need save it: a picture, a table, a text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
import polars as pl

from everloop.errors import EverloopError
from everloop.tracking.artifacts.store import ArtifactStore, Entry

Kind = Literal["image", "table", "text", "html", "none"]
ROWS, COLUMNS, CELL = 50, 40, 200
"""Of a table: rows and columns that are shown, and characters of a value."""

TEXT = 64 * 1024
"""Bytes of a text, and of a file of rows, that are read."""

MOST_PARQUET = 32 * 1024 * 1024
"""Bytes of a Parquet file that is opened; its end says where its columns are."""

MOST_HTML = 10 * 1024 * 1024

KINDS: dict[Kind, tuple[str, ...]] = {
    "image": ("png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "avif"),
    "table": ("csv", "tsv", "parquet"),
    "html": ("html", "htm"),
}


class Preview(msgspec.Struct, frozen=True):
    """What is shown of a file: ``text``, or ``columns`` and ``rows``; ``said`` is what is not."""

    path: str
    kind: Kind
    text: str = ""
    columns: list[str] = []
    rows: list[list[str]] = []
    said: str = ""


def read_preview(artifacts: ArtifactStore, entry: Entry, path: str) -> Preview:
    """The preview of the file ``entry``, which the run knows as ``path``."""
    ending = entry.name.rpartition(".")[2].lower()
    kind = next((kind for kind, endings in KINDS.items() if ending in endings), "text")
    if kind == "image":
        return Preview(path, "image")
    if kind == "html":
        large = (entry.size or 0) > MOST_HTML
        return Preview(path, "none", said=_large(MOST_HTML)) if large else Preview(path, "html")
    readers: dict[str, Callable[[ArtifactStore, Entry, str], Preview]] = {
        "csv": _separated,
        "tsv": _separated,
        "parquet": _parquet,
        "json": _json,
    }
    try:
        return readers.get(ending, _text)(artifacts, entry, path)
    except (EverloopError, ValueError, csv.Error) as error:
        return Preview(path, "none", said=f"It cannot be shown: {error}")


def _start(artifacts: ArtifactStore, entry: Entry) -> tuple[bytes, str]:
    """The first bytes of a file, and what to say when there are more."""
    size = entry.size or 0
    pieces: Iterator[bytes] = artifacts.read(entry.path, 0, min(size, TEXT))
    return b"".join(pieces), "" if size <= TEXT else f"The first {TEXT // 1024} kB of it."


def _text(artifacts: ArtifactStore, entry: Entry, path: str) -> Preview:
    raw, said = _start(artifacts, entry)
    if b"\0" in raw:
        return Preview(path, "none", said="This file is not text.")
    return Preview(path, "text", text=raw.decode("utf-8", "replace"), said=said)


def _json(artifacts: ArtifactStore, entry: Entry, path: str) -> Preview:
    """A list of objects, and MLflow's tables (``columns`` and ``data``), as tables."""
    raw, said = _start(artifacts, entry)
    if said:
        return _text(artifacts, entry, path)
    try:
        value: Any = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return _text(artifacts, entry, path)
    if isinstance(value, dict) and set(value) == {"columns", "data"}:
        columns, rows = value["columns"], value["data"]
        if isinstance(columns, list) and isinstance(rows, list):
            return _table(path, columns, [r if isinstance(r, list) else [r] for r in rows[:ROWS]])
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        names = list(dict.fromkeys(name for one in value[:ROWS] for name in one))
        rows = [[one.get(name) for name in names] for one in value[:ROWS]]
        said = f"The first {ROWS} of {len(value)} rows." if len(value) > ROWS else ""
        return _table(path, names, rows, said)
    return Preview(path, "text", text=msgspec.json.format(raw, indent=2).decode())


def _separated(artifacts: ArtifactStore, entry: Entry, path: str) -> Preview:
    raw, said = _start(artifacts, entry)
    text = raw.decode("utf-8-sig", "replace")
    if said:
        text = text[: text.rfind("\n") + 1]
    sign = "\t" if entry.name.lower().endswith("tsv") else ","
    rows = list(csv.reader(io.StringIO(text), delimiter=sign))
    said = f"The first {ROWS} rows." if said or len(rows) > ROWS + 1 else ""
    return _table(path, rows[0] if rows else [], rows[1:], said)


def _parquet(artifacts: ArtifactStore, entry: Entry, path: str) -> Preview:
    if (entry.size or 0) > MOST_PARQUET:
        return Preview(path, "none", said=_large(MOST_PARQUET))
    data = io.BytesIO(b"".join(artifacts.read(entry.path)))
    try:
        frame = pl.read_parquet(data, n_rows=ROWS)
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error)) from None
    return _table(path, frame.columns, frame.rows(), f"At most {ROWS} rows are shown.")


def _table(path: str, columns: list[Any], rows: Any, said: str = "") -> Preview:
    names = [str(column)[:CELL] for column in columns[:COLUMNS]]
    shown = [["" if v is None else str(v)[:CELL] for v in row[:COLUMNS]] for row in rows[:ROWS]]
    if len(columns) > COLUMNS:
        said = f"{said} The first {COLUMNS} of {len(columns)} columns.".strip()
    return Preview(path, "table", columns=names, rows=shown, said=said)


def _large(most: int) -> str:
    return (
        f"It is larger than the {most // 1024**2} MB that are opened here; save it to look at it."
    )
