"""What a place for answers owes.

One process has it at a time, from entering to leaving it. A part is there whole, with its line in
the records, or it is not there: :meth:`Target.put` returns only when both have reached the disk.
The same part put again, after a crash between the two, replaces itself. Only
:meth:`Target.finish` makes the whole count as finished.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import msgspec
import polars as pl

from everloop.errors import Conflict
from everloop.loop.batches.records import Finished, Header, Piece

Reject = dict[str, Any]


class Target(ABC):
    """A place that is held; :attr:`header` is None before the first start."""

    header: Header | None = None
    pieces: list[Piece]
    finished: Finished | None = None

    @abstractmethod
    def begin(self, header: Header) -> None:
        """Write down what all parts have in common, at the first start."""

    @abstractmethod
    def put(self, piece: Piece, frame: pl.DataFrame, rejects: list[Reject]) -> None:
        """Add the next part: its answers, and the rows that were turned down."""

    @abstractmethod
    def finish(self, finished: Finished) -> None:
        """Say that no part is missing."""

    @abstractmethod
    def close(self) -> None:
        """Let others have it."""

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reject_line(reject: Reject) -> bytes:
    """A rejected row as a line of JSON; what JSON has no word for is shown as text."""
    return msgspec.json.encode(reject, enc_hook=str) + b"\n"


def busy(where: str) -> Conflict:
    return Conflict(
        f"to: another process writes to {where} now.",
        code="target_busy",
        path="to",
        fix="Wait until it has finished, or name another place.",
    )
