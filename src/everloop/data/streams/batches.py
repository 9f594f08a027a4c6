"""A file or a pattern of files, some rows at a time."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from everloop.data.delimited import MISSING
from everloop.errors import invalid

ROWS = 1 << 16
_LOOKED_AT = 10_000  # rows of a CSV from which the types of its columns are told


def stream(source: str, base: Path, rows: int = ROWS) -> Iterator[pl.DataFrame]:
    """The rows of CSV, Parquet, Arrow or JSON lines, at most about ``rows`` at a time.

    Unlike :func:`~everloop.data.sources.read_table` it tells the types of a CSV by its first
    10,000 rows. Raises :class:`~everloop.errors.InvalidInput` for a file that is not there or
    cannot be read.
    """
    table = _lazy(source, base)
    try:
        yield from table.collect_batches(chunk_size=rows, maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise _unreadable(source, error) from None


def _lazy(source: str, base: Path) -> pl.LazyFrame:
    path = base / Path(source).expanduser()
    if not path.is_file() and not glob.glob(str(path), recursive=True):  # noqa: PTH207
        raise invalid(
            "data.source", source, f"a file that exists in {path.parent}", code="missing_file"
        )
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return pl.scan_csv(
            path,
            separator="\t" if ending == ".tsv" else ",",
            null_values=list(MISSING),
            infer_schema_length=_LOOKED_AT,
            low_memory=True,
        )
    scans: dict[str, Callable[[Path], pl.LazyFrame]] = {
        ".parquet": pl.scan_parquet,
        ".pq": pl.scan_parquet,
        ".arrow": pl.scan_ipc,
        ".feather": pl.scan_ipc,
        ".jsonl": pl.scan_ndjson,
        ".ndjson": pl.scan_ndjson,
    }
    if ending not in scans:
        raise invalid(path.name, ending or "<no ending>", f"one of .csv, .tsv, {', '.join(scans)}")
    return scans[ending](path)


def _unreadable(source: str, error: Exception) -> Exception:
    first = str(error).strip().split("\n", 1)[0]
    return invalid(source, f"<{first}>", "a readable file", code="unreadable_file")
