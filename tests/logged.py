"""Records of the data plane's log as plain maps, with the numbers that it packs as lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from everloop.data.segments import PredictionRecord, list_segments, read_segment

UNUSED = ("numbers", "marks")  # keys that most records leave empty


def records_in(folder: Path) -> list[dict[str, Any]]:
    """Every record below a folder of segments; raises for one that is not whole."""
    return [_plain(payload) for path in list_segments(folder) for payload, _ in read_segment(path)]


def _plain(payload: bytes) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.msgpack.decode(payload)
    if "columns" in said:
        said = msgspec.to_builtins(msgspec.convert(said, PredictionRecord).unpacked())
        said = {name: value for name, value in said.items() if name not in UNUSED or value}
    return said
