"""What a step of a cycle is.

A step reads the declaration and the results of the steps before it, and returns a result that is
plain JSON: the next step, a new process after a crash and the console all read it from the
database. It may be run again from its beginning after a crash, any number of times, until its
result is recorded; so whatever it writes must be content-addressed or keyed by the cycle. It must
not touch another cycle's rows, and it never decides the order of steps: the plan does.

``where`` says which process may run it: ``worker`` for steps that import heavy libraries or use
much memory, ``controller`` for those that only move desired state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project

Report = Callable[[str, dict[str, Any]], None]


class End(msgspec.Struct, frozen=True):
    """A verdict that ends the cycle here."""

    verdict: str
    reason: str


class Outcome(msgspec.Struct, frozen=True):
    """What a step returns: its result, and whether the cycle ends or waits for a person."""

    result: dict[str, Any]
    end: End | None = None
    wait: bool = False


class Interrupted(Exception):
    """The engine closes: nothing of the step is recorded, and the next engine runs it again."""


def silent(_stage: str, _facts: dict[str, Any]) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True)
class StepContext:
    """What a step may read and write through."""

    project: Project
    cycle: Cycle
    declaration: Declaration
    results: dict[str, dict[str, Any]]  # of the steps that are done
    report: Report = field(default=silent)
    stop: threading.Event = field(default_factory=threading.Event)  # set when the engine closes

    @property
    def version(self) -> int:
        """The version this cycle is about: the one it registered, proposes, or was asked for."""
        registered = self.results.get("register", {}).get("version")
        return int(registered or self.proposed or self.cycle.cause["version"])

    @property
    def proposed(self) -> int | None:
        """The stored version that its method proposes instead of a new one."""
        found: int | None = self.results.get("train", {}).get("version")
        return found


class Step(Protocol):
    """A step of a cycle; see the obligations at the top of this file."""

    name: ClassVar[str]
    where: ClassVar[Literal["worker", "controller"]]

    def run(self, context: StepContext) -> Outcome: ...
