"""Training rows that are read again for each pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from everloop.data.encode import Examples
from everloop.errors import Conflict


@dataclass(frozen=True)
class Rows:
    """Rows in blocks.

    Attributes
    ----------
    read : of numbers of blocks, evenly apart, the rows of these in order and some at a time, never
        of two blocks at once.
    blocks : how many rows each block has.
    ordered : whether the target differs much between blocks.
    """

    read: Callable[[range], Iterator[Examples]]
    blocks: list[int]
    ordered: bool = False

    def __len__(self) -> int:
        return sum(self.blocks)

    def every(self, parts: int = 1, first: int = 0) -> range:
        """Every ``parts``-th block, from number ``first`` on."""
        return range(first, len(self.blocks), parts)

    def count(self, wanted: range) -> int:
        """How many rows those blocks have."""
        return sum(self.blocks[number] for number in wanted)


def other_rows(counted: int) -> Conflict:
    """The refusal of rows that are more or fewer than were counted."""
    return Conflict(
        f"data.source: it does not hold the {counted:,} training rows that were counted in it.",
        code="source_changed",
        fix="Run the loop again, which takes what is there now.",
    )
