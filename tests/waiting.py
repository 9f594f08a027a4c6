"""Waiting for a condition, so that no test waits for a number of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

# Of a condition that should have come long ago: only a failing test waits so long. It is many
# times what a machine needs that runs other tests beside it.
SECONDS = 120.0


def wait_for(condition: Callable[[], Found | None], every: float = 0.02) -> Found:
    """The first truthy value of ``condition()``."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every)
    return found
