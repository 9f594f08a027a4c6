"""Training rows that are read again for each pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from everloop.data.encode import Examples


@dataclass(frozen=True)
class Rows:
    """Rows in blocks.

    Attributes
    ----------
    read : of ``(part, parts)`` the rows of every ``parts``-th block, from number ``part`` on, in
        order and some at a time; ``(0, 1)`` are all rows.
    blocks : how many rows each block has.
    ordered : whether the target differs much between blocks.
    """

    read: Callable[[int, int], Iterator[Examples]]
    blocks: list[int]
    ordered: bool = False

    def __len__(self) -> int:
        return sum(self.blocks)

    def count(self, part: int, parts: int) -> int:
        """How many rows ``read(part, parts)`` gives."""
        return sum(self.blocks[part::parts])
