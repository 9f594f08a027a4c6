"""A folder of Parquet or CSV files.

``part-00000.parquet`` and so on are the answers; a file appears whole, under its name, when its
bytes are on the disk. What begins with ``_`` is no data to Spark, DuckDB and Hive:
``_manifest.jsonl`` has the header and a line for each part, ``_rejects/`` the rows that were
turned down, ``_SUCCESS`` the totals when all is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import polars as pl

from everloop.errors import Conflict, Integrity, invalid
from everloop.loop.batches.records import Finished, Header, Piece
from everloop.loop.batches.targets._base import Reject, Target, busy, reject_line
from everloop.loop.lock import hold
from everloop.replacing import replacing

MANIFEST, SUCCESS, REJECTS, LOCK = "_manifest.jsonl", "_SUCCESS", "_rejects", "_lock"


class Folder(Target):
    """Raises :class:`~everloop.errors.Conflict` when another process has it, or when files are
    in it that no batch wrote."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise invalid("to", str(folder), "a folder, not a file", code="not_a_folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.pieces = folder, []
        self._lock = hold(folder / LOCK, busy(str(folder)))
        try:
            self._load()
        except BaseException:
            self._lock.close()
            raise

    def begin(self, header: Header) -> None:
        self._whole(MANIFEST, msgspec.json.encode(header) + b"\n")
        self.header = header

    def put(self, piece: Piece, frame: pl.DataFrame, rejects: list[Reject]) -> None:
        assert self.header is not None
        kind = self.header.batch.format
        if rejects:
            (self.folder / REJECTS).mkdir(exist_ok=True)
            name = f"{REJECTS}/part-{piece.number:05d}.jsonl"
            self._place(name, lambda path: path.write_bytes(b"".join(map(reject_line, rejects))))
        if frame.height:
            name = f"part-{piece.number:05d}.{kind}"
            write = frame.write_parquet if kind == "parquet" else frame.write_csv
            self._place(name, lambda path: _written(write, path, kind))
            size = (self.folder / name).stat().st_size
            piece = msgspec.structs.replace(piece, file=name, bytes=size)
        with (self.folder / MANIFEST).open("ab") as file:
            file.write(msgspec.json.encode(piece) + b"\n")
            _to_disk(file)
        self.pieces.append(piece)

    def finish(self, finished: Finished) -> None:
        self._whole(SUCCESS, msgspec.json.format(msgspec.json.encode(finished)) + b"\n")
        self.finished = finished

    def close(self) -> None:
        self._lock.close()

    def _load(self) -> None:
        manifest = self.folder / MANIFEST
        if not manifest.exists():
            strange = sorted(p.name for p in self.folder.iterdir() if p.name != LOCK)
            strange = [name for name in strange if not name.startswith(f".{MANIFEST}")]
            if strange:
                raise Conflict(
                    f"to: {self.folder} has files in it that no batch wrote, {strange[0]} say.",
                    code="target_taken", path="to", fix="Name a folder that is new or empty.",
                )  # fmt: skip
            return
        first, *lines = _lines(manifest)
        self.header = msgspec.json.decode(first, type=Header)
        self.pieces = [msgspec.json.decode(line, type=Piece) for line in lines]
        for piece in self.pieces:
            self._check(piece)
        done = self.folder / SUCCESS
        self.finished = (
            msgspec.json.decode(done.read_bytes(), type=Finished) if done.exists() else None
        )

    def _check(self, piece: Piece) -> None:
        path = self.folder / piece.file
        if piece.file and (not path.is_file() or path.stat().st_size != piece.bytes):
            raise Conflict(
                f"to: {piece.file} in {self.folder} is not what was written there.",
                code="part_changed", path="to", fix="Delete the folder to begin again.",
            )  # fmt: skip

    def _whole(self, name: str, content: bytes) -> None:
        self._place(name, lambda path: path.write_bytes(content))

    def _place(self, name: str, write: Callable[[Path], Any]) -> None:
        """The file under its name once its bytes are on the disk."""
        with replacing(self.folder / name) as fresh:
            write(fresh)


def _lines(manifest: Path) -> list[bytes]:
    """The lines of the manifest; one that a crash cut off is taken away."""
    said = manifest.read_bytes()
    whole = said[: said.rfind(b"\n") + 1]
    if whole != said:
        with manifest.open("r+b") as file:
            file.truncate(len(whole))
            _to_disk(file)
    if not whole:
        raise Integrity(f"{manifest} is empty.", path=str(manifest))
    return whole.splitlines()


def _written(write: Callable[[Path], Any], path: Path, kind: str) -> None:
    try:
        write(path)
    except pl.exceptions.PolarsError as error:
        said = str(error).strip().split("\n", 1)[0]
        raise invalid(
            "format", kind, f'"parquet", as {kind} cannot hold a column ({said})'
        ) from None


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
