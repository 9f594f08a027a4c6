"""Reading CSV and TSV, and saying in one sentence why a file cannot be read.

Polars reads; what it would take silently (a duplicate column, a row that is too short) or say in
terms of its own is checked here first.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from everloop.errors import InvalidInput, invalid

#: Spellings of a missing value.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "NULL", "null")
_SEPARATORS = (",", ";", "\t", "|")
_CHUNK = 1 << 20
_BOOLEANS = ("true", "false")


def read_delimited(
    path: Path, text: Collection[str] = (), separator: str | None = None
) -> pl.DataFrame:
    """The table in a UTF-8 file with a header line; rows without any value are skipped.

    ``text`` names columns that stay text even if they look like numbers, so that ``007`` keeps its
    zeros. The separator is found in the header when not given. Raises
    :class:`~everloop.errors.InvalidInput` for another encoding, a header with an empty or duplicate
    name, a row of another length and a file without rows.
    """
    check_encoding(path)
    header, separator = header_of(path, separator)
    _check_header(path, header)
    try:
        df = pl.read_csv(
            path,
            separator=separator,
            null_values=list(MISSING),
            infer_schema_length=None,
            schema_overrides={name: pl.String for name in header if name in set(text)},
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        _check_lengths(path, separator, len(header))
        raise invalid(
            path.name,
            f"<{_first_line(error)}>",
            "a readable CSV file",
            code="unreadable_file",
            fix="Check the quotes near that place.",
        ) from None
    df = df.rename(dict(zip(df.columns, header, strict=True)))
    if df.height and df.to_series(-1).null_count():
        _check_lengths(path, separator, len(header))
    if df.width > 1:
        df = df.filter(~pl.all_horizontal(pl.all().is_null()))
    if df.is_empty():
        raise invalid(path.name, "<a header and no rows>", "at least one row", code="empty_file")
    return df.with_columns(retyped(s) for s in df if s.dtype == pl.String and s.name not in text)


def retyped(series: pl.Series) -> pl.Series:
    """Text as Boolean or Float64 where all of it spells that, in a form Polars does not infer."""
    words = series.drop_nulls().str.strip_chars()
    if words.is_empty():
        return series
    if bool(words.head(1).str.to_lowercase().is_in(_BOOLEANS)[0]):
        if bool(words.str.to_lowercase().is_in(_BOOLEANS).all()):
            return series.str.strip_chars().str.to_lowercase() == "true"
    elif words.head(1).cast(pl.Float64, strict=False).null_count() == 0:
        numbers = words.cast(pl.Float64, strict=False)
        if numbers.null_count() == 0:
            return series.str.strip_chars().cast(pl.Float64)
    return series


def check_encoding(path: Path) -> None:
    """Refuse anything but UTF-8 with :class:`~everloop.errors.InvalidInput`, naming the place."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line = 0, 1
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                at = error.start - pending
                byte = error.object[error.start]
                line += chunk[: max(at, 0)].count(b"\n")
                raise _wrong_encoding(path, byte, offset + at, line) from None
            offset += len(chunk)
            line += chunk.count(b"\n")
    if decoder.getstate()[0]:
        raise _wrong_encoding(path, decoder.getstate()[0][0], offset - 1, line)


def _wrong_encoding(path: Path, byte: int, offset: int, line: int) -> InvalidInput:
    return invalid(
        path.name,
        f"<byte 0x{byte:02x} at offset {offset}, line {line}>",
        "UTF-8 text",
        code="wrong_encoding",
        fix=f"If it is Latin-1: iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}",
    )


def header_of(path: Path, separator: str | None = None) -> tuple[list[str], str]:
    """The names in the first line that is not blank, and the separator between them.

    Raises :class:`~everloop.errors.InvalidInput` for an empty or a duplicate name, and for another
    encoding than UTF-8.
    """
    try:
        return _header_of(path, separator)
    except UnicodeDecodeError:
        check_encoding(path)  # names the place
        raise


def _header_of(path: Path, separator: str | None) -> tuple[list[str], str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next((line for line in file if line.strip()), "")
        if first.endswith("\r"):
            raise invalid(
                path.name, "<lines that end in CR>", "lines that end in LF or CR LF",
                code="unreadable_file", fix=f"Convert it: tr '\\r' '\\n' < {path.name}",
            )  # fmt: skip
        file.seek(0)
        if separator is None:
            counts = {s: first.count(s) for s in _SEPARATORS}
            separator = max(_SEPARATORS, key=lambda s: counts[s]) if any(counts.values()) else ","
        rows = csv.reader(file, delimiter=separator)
        header = next((row for row in rows if len(row) > 1 or "".join(row).strip()), [])
    names = [name.strip() for name in header]
    _check_header(path, names)
    return names, separator


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise invalid(path.name, "<blank lines only>", "a header and rows", code="empty_file")
    for position, name in enumerate(header):
        if not name:
            raise invalid(
                f"{path.name} column {position + 1}",
                "<no name>",
                "a name in the header",
                code="unnamed_column",
                fix="Name it; pandas leaves out its index with to_csv(index=False).",
            )
        if name in header[:position]:
            raise invalid(
                f"{path.name} header",
                name,
                f"each column once, but columns {header.index(name) + 1} and {position + 1} "
                "have this name",
                code="duplicate_column",
                fix="Rename or remove one of them.",
            )


def _check_lengths(path: Path, separator: str, width: int) -> None:
    """Refuse the first row with another number of fields than the header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=separator)
        try:
            for row in rows:
                if row and len(row) != width:
                    raise invalid(
                        f"{path.name} line {rows.line_num}",
                        f"<{len(row)} fields>",
                        f"{width} fields, as in the header",
                        code="ragged_row",
                        fix="Put quotes around a value that contains the separator.",
                    )
        except csv.Error as error:
            raise invalid(
                f"{path.name} line {rows.line_num}",
                f"<{error}>",
                "a readable row",
                code="unreadable_file",
            ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
