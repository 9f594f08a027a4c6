"""Looking at a loop's traffic, and doing what its update policy makes of it."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project


class Looked(msgspec.Struct, frozen=True):
    """What was seen, what was decided, and the cycle that it led to."""

    shipped: int
    alerts: list[Any]
    decision: Any
    cycle: Cycle | None = None


def look(project: Project, declaration: Declaration, actor: str | None) -> Looked:
    raise NotImplementedError
