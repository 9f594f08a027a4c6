"""What the native client writes and sends: records, each of one run.

Only msgspec is imported here, so that a script that logs to a server need not load a database.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from everloop.errors import InvalidInput, invalid
from everloop.tracking.checks import check_run_id

MOST_POINTS = 200_000
"""Most points of one record."""

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a column of 64 bits holds."""

HEX = frozenset("0123456789abcdef")


class Columns(msgspec.Struct, frozen=True):
    """Points by column; the numbers are little-endian and packed.

    Attributes
    ----------
    keys : names of metrics.
    key : of each point the index of its metric in ``keys``, unsigned 32 bits.
    at : milliseconds since 1970, signed 64 bits.
    step : signed 64 bits.
    value : IEEE 754 doubles.
    """

    keys: list[str]
    key: bytes
    at: bytes
    step: bytes
    value: bytes

    def __len__(self) -> int:
        return len(self.value) // 8


class Begin(msgspec.Struct, frozen=True, omit_defaults=True):
    """A new run of ``experiment``, which is made when it is new; without one a run that goes on."""

    experiment: str | None = None
    name: str | None = None
    user: str = ""
    started: Whole | None = None
    tags: dict[str, str] = {}


class End(msgspec.Struct, frozen=True):
    """How and when a run ended."""

    status: Literal["FINISHED", "FAILED", "KILLED"]
    finished: Whole


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="record"):
    """One record: its parts happen in the order of the fields.

    ``client`` is 32 hexadecimal digits, ``sequence`` counts that client's records from 1.
    """

    client: str
    sequence: int
    run: str
    begin: Begin | None = None
    points: Columns | None = None
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    end: End | None = None


class File(msgspec.Struct, frozen=True, tag="file"):
    """An artifact ``name`` of a run, waiting in a client's outbox under the name ``file``."""

    run: str
    name: str
    file: str


_decoder = msgspec.msgpack.Decoder(Record)


def decode_record(raw: bytes) -> Record:
    """A record from its MessagePack form; raises InvalidInput for anything else."""
    try:
        record = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"body: not a record: {error}.",
            code="invalid_record",
            path="$",
            expected="a record in MessagePack",
        ) from None
    check_run_id(record.run)
    if len(record.client) != 32 or not set(record.client) <= HEX:
        raise invalid("client", record.client, "32 hexadecimal digits")
    if not 0 < record.sequence < 2**63:
        raise invalid("sequence", record.sequence, "a whole number from 1 on")
    return record
