"""Reading a table from files: CSV, TSV, Parquet, JSON lines or Arrow, one file or a pattern.

A source is a path or a glob pattern, relative to the folder of the loop file. What cannot be read
is refused with one sentence that names the file.
"""

from __future__ import annotations

import glob
from collections.abc import Collection
from pathlib import Path

import msgspec
import polars as pl

from everloop.data.delimited import check_encoding, read_delimited
from everloop.data.image_folders import find_images, read_images
from everloop.errors import InvalidInput, did_you_mean, invalid

KINDS = {
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
}
_ENDING = {
    "CSV": ".csv",
    "Parquet": ".parquet",
    "Arrow": ".arrow",
    "JSON lines": ".jsonl",
}
_MEND = {
    "gzip": "Unpack it first: gunzip.",
    "a zip archive or a spreadsheet": "Export the sheet as CSV in UTF-8.",
    "UTF-16 text": "Convert it: iconv -f utf-16 -t utf-8.",
    "a JSON list": "Write one object a line: jq -c '.[]'.",
    "text": 'If it is CSV, let its name end in ".csv".',
}
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\xff\xff\xff\xff", "Arrow"),  # a stream
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


def read_files(source: str, base: Path, text: Collection[str] = ()) -> pl.DataFrame:
    """The rows of every file that ``source`` names, in the order of the file names.

    Parameters
    ----------
    source : a path or a glob pattern (``data/*.csv``, ``**`` crosses folders), or images in
        folders, see :func:`~everloop.data.image_folders.find_images`.
    base : the folder that a relative source starts from.
    text : columns that stay text in CSV even where they look like numbers.

    Raises :class:`~everloop.errors.InvalidInput` for no such file, an empty file, a file that is
    not what its ending says, another encoding than UTF-8, a duplicate or unnamed column, a row of
    another length, and files whose columns differ.
    """
    if images := find_images(source, base):
        return read_images(images)
    files = find_files(source, base)
    frames = [(path, _read(path, text)) for path in files]
    return frames[0][1] if len(frames) == 1 else _stack(frames)


def find_files(source: str, base: Path) -> list[Path]:
    """The files that a path or a pattern names, in the order of their names.

    Raises :class:`~everloop.errors.InvalidInput` when there is none.
    """
    path = base / Path(source).expanduser()
    if path.is_file():
        return [path]
    if glob.has_magic(source):
        found = [
            base / name
            for name in sorted(glob.glob(source, root_dir=base, recursive=True))  # noqa: PTH207
            if (base / name).is_file()
        ]
        if found:
            return _once(found)
        raise invalid(
            "data.source", source, f"a pattern that matches files in {base}", code="missing_file"
        )
    if path.is_dir():
        raise invalid(
            "data.source",
            source,
            "a file or a pattern, not a folder",
            code="missing_file",
            fix=f'Write "{source.rstrip("/")}/*.csv", for example.',
        )
    if path.is_symlink() or path.exists():
        raise invalid(
            "data.source", path.name, "a file, not a link that leads nowhere, a pipe or a device",
            code="missing_file",
        )  # fmt: skip
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    raise invalid(
        "data.source",
        path.name if path.is_absolute() else source,  # the folder is named behind it
        f"a file that exists in {path.parent.resolve()}",
        code="missing_file",
        fix=did_you_mean(path.name, beside, lambda name: str(Path(source).with_name(name))),
    )


def _once(paths: list[Path]) -> list[Path]:
    """Without those that are another one by another way, as where a link leads back up."""
    known: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda path: len(path.parts)):  # the shortest way to each
        known.setdefault(path.resolve(), path)
    kept = set(known.values())
    return [path for path in paths if path in kept]


def _read(path: Path, text: Collection[str]) -> pl.DataFrame:
    try:
        return _read_kind(path, text)
    except OSError as error:  # it may not be read, or has just been taken away
        raise invalid(
            path.name,
            f"<{error.strerror or error}>",
            "a file that can be read",
            code="unreadable_file",
        ) from None


def _read_kind(path: Path, text: Collection[str]) -> pl.DataFrame:
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise invalid(
            path.name,
            path.suffix or "<no ending>",
            "one of " + ", ".join(KINDS),
            code="unknown_file_type",
        )
    if path.stat().st_size == 0:
        raise invalid(
            path.name,
            "<an empty file of 0 bytes>",
            f"{kind} data",
            code="empty_file",
            fix="Write it again; the program that made it may have been cut off.",
        )
    check_content(path, kind)
    if kind in ("CSV", "TSV"):
        return read_delimited(path, text, "\t" if kind == "TSV" else None)
    try:
        df = _read_binary(path, kind) if kind != "JSON lines" else _read_json_lines(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).strip().split("\n", 1)[0]
        raise invalid(
            path.name,
            f"<{first}>",
            f"a readable {kind} file",
            code="unreadable_file",
            fix="It may be cut off; write it again.",
        ) from None
    if df.is_empty():
        raise invalid(path.name, "<no rows>", "at least one row", code="empty_file")
    return df


def check_content(path: Path, kind: str) -> None:
    """Refuse a file whose first bytes belong to another format than its ending."""
    with path.open("rb") as file:
        start = file.read(512)
    actual = next((name for magic, name in _MAGIC if start.startswith(magic)), None)
    if actual is None and kind in ("Parquet", "Arrow"):
        actual = "text" if _is_text(start) else "bytes of another format"
    elif actual is None:
        first = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if kind in ("CSV", "TSV") and first in (b"{", b"["):
            actual = "JSON lines" if first == b"{" else "a JSON list"
        elif kind in ("CSV", "TSV") and first == b"<":
            actual = "a web page or XML"
        elif kind == "JSON lines" and first and first != b"{":
            actual = "a JSON list" if first == b"[" else "text that is not JSON lines"
    if actual is not None and actual != kind:
        ending = _ENDING.get(actual)
        fix = f'Rename it to "{path.stem}{ending}".' if ending else _MEND.get(actual)
        raise invalid(
            path.name, f"<{actual}>", f"{kind}, as its ending says", code="wrong_file_type", fix=fix
        )


def _is_text(start: bytes) -> bool:
    try:
        start[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\x00" not in start


def _read_binary(path: Path, kind: str) -> pl.DataFrame:
    if kind == "Parquet":
        return pl.read_parquet(path, glob=False)
    try:
        return pl.read_ipc(path)
    except pl.exceptions.ComputeError:
        return pl.read_ipc_stream(path)


def _read_json_lines(path: Path) -> pl.DataFrame:
    check_encoding(path)
    try:
        return pl.read_ndjson(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _wrong_line(path, str(error).split("\n", 1)[0]) from None


def _wrong_line(path: Path, said: str) -> InvalidInput:
    """The sentence for the first line that is not a JSON object, or what a reader of all said."""
    decoder, objects = msgspec.json.Decoder(dict), 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                if line.strip():
                    decoder.decode(line)
                    objects += 1
            except msgspec.DecodeError as error:
                return invalid(
                    f"{path.name} line {number}",
                    f"<{error}>",
                    "one JSON object a line",
                    code="unreadable_file",
                )
    if objects:
        expected = "JSON objects whose values are of one type for each name"
        return invalid(path.name, f"<{said}>", expected, code="unreadable_file")
    return invalid(path.name, "<no JSON object>", "one JSON object a line", code="empty_file")


def _stack(frames: list[tuple[Path, pl.DataFrame]]) -> pl.DataFrame:
    """One frame from many; all must have the first one's columns, in any order."""
    first_path, first = frames[0]
    aligned = []
    for path, df in frames:
        missing = [name for name in first.columns if name not in df.columns]
        extra = [name for name in df.columns if name not in first.columns]
        if missing or extra:
            name = (missing or extra)[0]
            verb = "is missing" if missing else "is extra"
            raise invalid(
                path.name,
                f"<column {name!r} {verb}>",
                f"the columns of {first_path.name}",
                code="columns_differ",
            )
        aligned.append(df.select(first.columns))
    types = {
        name: _common([df.schema[name] for df in aligned if _informs(df[name])])
        for name in first.columns
    }
    changes = [{n: t for n, t in types.items() if df.schema[n] != t} for df in aligned]
    return pl.concat([df.cast(c) if c else df for df, c in zip(aligned, changes, strict=True)])  # type: ignore[arg-type]


def _informs(series: pl.Series) -> bool:
    return series.null_count() < len(series)


def _common(types: list[pl.DataType]) -> pl.DataType:
    """The type that holds all of ``types``: numbers widen, anything else that differs is text."""
    kinds = set(types)
    if not kinds:
        return pl.String()
    if len(kinds) == 1:
        return types[0]
    if all(t.is_integer() for t in types):
        return pl.Int64()
    if all(t.is_numeric() for t in types):
        return pl.Float64()
    return pl.String()
