"""What a run was given and is not yet in the write-ahead file.

``log`` only appends to a deque, which needs no lock; the channel's writing thread empties it.
"""

from __future__ import annotations

import sys
import threading
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Any

from everloop.tracking.checks import check_key
from everloop.tracking.wire import Columns, End

BATCH = 20_000
"""Most points of one record that a client writes."""

MOST = 1_000_000
"""Most points that wait in memory while the write-ahead file cannot be written."""


class Buffer:
    """The pending parts of one run. Any thread adds; only the writing thread takes."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.points: deque[tuple[int, float, int, int]] = deque()  # key, value, step, at
        self.known: dict[str, int] = {}  # key -> its index in keys
        self.keys: list[str] = []
        self.texts: deque[dict[str, Any]] = deque()  # fields of a record
        self.end: End | None = None
        self._learning = threading.Lock()

    def learn(self, key: str) -> int:
        """The index of a metric that was not logged before."""
        check_key("metric", key)
        with self._learning:
            if key not in self.known:
                self.keys.append(key)
                self.known[key] = len(self.keys) - 1
            return self.known[key]

    def take(self) -> Iterator[dict[str, Any]]:
        """The fields of each record to write, in order; what is yielded is out of the buffer."""
        while self.texts:
            yield self.texts.popleft()
        while self.points:
            yield {"points": self._columns(min(len(self.points), BATCH))}

    def _columns(self, count: int) -> Columns:
        take = self.points.popleft
        index, value, step, at = zip(*[take() for _ in range(count)], strict=True)
        used = sorted(set(index))
        keys = [self.keys[i] for i in used]
        if used[-1] >= len(used):  # some metrics are not in this batch
            place = {old: new for new, old in enumerate(used)}
            index = tuple([place[i] for i in index])
        return Columns(
            keys, _packed("I", index), _packed("q", at), _packed("q", step), _packed("d", value)
        )

    def forget(self) -> None:
        """Drop what is pending: after a fork it is the parent's."""
        self._learning = threading.Lock()
        self.points.clear()
        self.texts.clear()


def _packed(kind: str, values: tuple[Any, ...]) -> bytes:
    packed = array(kind, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
