"""What is written down of a batch, so that it can go on where it was, and never twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from everloop.data.references import Part
from everloop.errors import invalid

PIECE = 1 << 18  # rows of a part
MOST_ROWS = 1 << 24
Format = Literal["parquet", "csv"]
Errors = Literal["fail", "reject"]


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for; the fields are the arguments of :func:`~everloop.predict_batch`."""

    model: str
    source: str
    to: str
    query: str | None = None
    table: str | None = None
    keep: tuple[str, ...] = ()
    probabilities: bool = False
    format: Format = "parquet"
    rows: int = PIECE
    errors: Errors = "fail"

    def checked(self) -> Batch:
        """Itself. Raises :class:`~everloop.errors.InvalidInput` naming the first wrong field."""
        if not 1 <= self.rows <= MOST_ROWS:
            raise invalid("rows", self.rows, f"1 to {MOST_ROWS:,} rows a part")
        for name, value in (("source", self.source), ("to", self.to)):
            if not value.strip() or "\0" in value:
                raise invalid(name, value, "a path or an address")
        if len(set(self.keep)) != len(self.keep):
            raise invalid("keep", list(self.keep), "each column once")
        return self

    def from_folder(self, folder: Path) -> Batch:
        """The same, with paths that begin in ``folder`` written out."""
        return msgspec.structs.replace(
            self, source=_written_out(self.source, folder), to=_written_out(self.to, folder)
        )


def _written_out(place: str, folder: Path) -> str:
    if "://" in place:
        return place
    return str(folder.absolute() / Path(place).expanduser())


class Span(msgspec.Struct, frozen=True):
    """``rows`` rows of the source's ``part``, from its row ``first`` (both count from 0)."""

    part: int
    first: int
    rows: int


class Piece(msgspec.Struct, frozen=True):
    """One finished part of the output.

    Attributes
    ----------
    number : from 0, without a gap.
    spans : the rows of the source that it answers.
    written, rejected : how many of them were answered, and how many not.
    file, bytes : its file and its size; empty without an answer, and in a table.
    mark : of a query's rows, a sum over their hashes; the rows of files are known by the file's.
    """

    number: int
    spans: list[Span]
    written: int
    rejected: int
    file: str = ""
    bytes: int = 0
    mark: str = ""

    @property
    def rows(self) -> int:
        return sum(span.rows for span in self.spans)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What all parts have in common; another one may not go on with them.

    ``parts`` is the source as it was, ``digest`` that of the model's package.
    """

    id: str
    batch: Batch
    model: str
    version: int
    digest: str
    parts: list[Part]
    created: int


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that is whole.

    Attributes
    ----------
    data : what was read, by its content: equal for equal content.
    rows, written, rejected : of the source, answered, and turned down with a reason.
    pieces, resumed : parts of the output, and how many of them an earlier start had made.
    seconds : that this start took; 0 when it was whole already.
    """

    id: str
    model: str
    version: int
    digest: str
    source: str
    data: str
    to: str
    table: str | None
    rows: int
    written: int
    rejected: int
    pieces: int
    resumed: int
    seconds: float


def identity(parts: list[Part], pieces: list[Piece]) -> str:
    """A hash of what the source holds; by ETag where no byte was hashed."""
    seen: list[Any] = [(p.address, p.bytes, p.sha256 or p.stamp) for p in parts]
    seen += [piece.mark for piece in pieces if piece.mark]
    return hashlib.sha256(msgspec.json.encode(seen)).hexdigest()
