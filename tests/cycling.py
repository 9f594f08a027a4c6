"""Cycles run in this very process, whose libraries are imported already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from everloop.loop.cycles import Cycle
from everloop.loop.engine import Engine
from everloop.loop.project import Project


@contextmanager
def running(project: Project, executor: str = "inline") -> Iterator[Engine]:
    """An engine whose steps run in this process, or where another executor runs them."""
    engine = Engine(project, executor)
    engine.launch()
    try:
        yield engine
    finally:
        engine.close()


def carry_out(project: Project, cycle: Cycle) -> Cycle:
    """A cycle at its end, or where it waits."""
    with running(project) as engine:
        return engine.wait(cycle.id)
