"""One file, some rows at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from everloop.data.delimited import MISSING, check_encoding, header_of
from everloop.data.sources.files import KINDS, check_content
from everloop.errors import InvalidInput, invalid

LOOKED_AT = 10_000  # rows of a text file from which the types of its columns are told


def kind_of_file(path: Path) -> str:
    """``CSV``, ``Parquet`` and so on, by the ending, checked against the first bytes."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(KINDS)
        raise invalid(path.name, path.suffix or "<no ending>", f"one of {known}")
    check_content(path, kind)
    return kind


def told_types(path: Path, text: Collection[str] = ()) -> dict[str, pl.DataType]:
    """Types for the columns of a text file and of those that follow it; empty for typed files.

    Whole numbers are told as numbers, since a fraction may come later.
    """
    kind = kind_of_file(path)
    if kind in ("Parquet", "Arrow"):
        return {}
    try:
        found = _scanned(path, kind, {}).collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, kind, error) from None
    types = {n: pl.Float64() if t.is_integer() else t for n, t in found.items()}
    return types | {name: pl.String() for name in text if name in types}


def frames(path: Path, types: dict[str, pl.DataType], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a file; lines without any value are skipped.

    Raises :class:`~everloop.errors.InvalidInput` for what cannot be read.
    """
    kind = kind_of_file(path)
    try:
        table = _scanned(path, kind, types)
        for batch in table.collect_batches(chunk_size=rows, maintain_order=True):
            if kind in ("CSV", "TSV") and batch.width > 1:
                batch = batch.filter(~pl.all_horizontal(pl.all().is_null()))
            for part in batch.iter_slices(rows):
                if part.height:
                    yield part
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, kind, error) from None


def _scanned(path: Path, kind: str, types: dict[str, pl.DataType]) -> pl.LazyFrame:
    if kind == "Parquet":
        return pl.scan_parquet(path, glob=False, cache=False)
    if kind == "Arrow":
        return pl.scan_ipc(path, glob=False)
    told: dict[str, Any] = {"infer_schema_length": LOOKED_AT, "low_memory": True, "glob": False}
    if kind == "JSON lines":
        del told["glob"]
        return pl.scan_ndjson(path, schema_overrides=types or None, **told)
    names, separator = header_of(path, "\t" if kind == "TSV" else None)
    return pl.scan_csv(
        path,
        separator=separator,
        null_values=list(MISSING),
        with_column_names=lambda _: names,
        schema_overrides={n: t for n, t in types.items() if n in names} or None,
        **told,
    )


def _unreadable(path: Path, kind: str, error: Exception) -> InvalidInput:
    first = str(error).strip().split("\n", 1)[0]
    if kind in ("CSV", "TSV") and "utf-8" in first:
        check_encoding(path)  # names the place
    retype = "could not parse" in first
    return invalid(
        path.name,
        f"<{first}>",
        f"a {kind} file whose columns are of one type each"
        if retype
        else f"a readable {kind} file",
        code="unreadable_file",
        fix=f"Types are told by the first {LOOKED_AT:,} rows; name a column of codes in "
        "data.categories, one of texts in data.text."
        if retype
        else "It may be cut off; write it again.",
    )
