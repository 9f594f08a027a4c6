"""What a client logs to: a server, or a folder's own stores in this process.

A target is used by one thread at a time. ``send`` and ``put_file`` return when what they were
given is kept for good. They raise :class:`~everloop.errors.InvalidInput`,
:class:`~everloop.errors.NotFound` or :class:`~everloop.errors.Conflict` for what will never be
taken, and anything else of :mod:`everloop.errors` for what may be taken later; a record that was
sent is sent again after that, so a target must know it by its client and sequence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from everloop.errors import Conflict, EverloopError, InvalidInput, NotFound


class Target(Protocol):
    """Where records go. ``name`` is the same for the same place in every process."""

    name: str

    def send(self, run: str, record: bytes) -> None:
        """Keep a record of :mod:`everloop.tracking.wire`."""

    def put_file(self, run: str, name: str, file: Path) -> None:
        """Keep a run's artifact."""

    def url(self, run: str) -> str | None:
        """Where the run can be looked at."""

    def close(self) -> None:
        """Let go of connections."""


def is_refusal(error: EverloopError) -> bool:
    """Whether what raised this will never be taken."""
    return isinstance(error, InvalidInput | NotFound | Conflict)
