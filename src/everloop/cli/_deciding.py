"""What the verbs of people's approval share: which cycle is meant, who types, what came of it."""

from __future__ import annotations

import getpass
import sys

import click

from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._output import next_step
from everloop.cli._target import AnyLoop
from everloop.errors import NotFound
from everloop.loop.cycles import Cycle, numbered
from everloop.loop.deciding import person_here
from everloop.loop.project import Project

cycle_argument = click.argument("cycle", type=int, required=False)


def the_cycle(loop: AnyLoop, number: int | None) -> Cycle:
    """The cycle of that number, or the one that waits."""
    if number is not None:
        return numbered(loop.history(before=number + 1, limit=1), number, loop.name)
    for cycle in loop.history(limit=1):
        if cycle.state == "waiting":
            return cycle
    raise NotFound(
        f"cycle: got no number, and no cycle of {loop.name} waits for people.",
        path="cycle", fix="everloop history lists the cycles.",
    )  # fmt: skip


def who(project: Project | None) -> str:
    """The person that types; a server knows it by the token."""
    return getpass.getuser() if project is None else person_here(project)


def decided(
    loop: AnyLoop,
    project: Project | None,
    number: int | None,
    approved: bool,
    comment: str,
    as_json: bool,
) -> None:
    """Say yes or no, follow the cycle as far as it goes on, and end the process."""
    asked = the_cycle(loop, number)
    cycle = loop.decide(asked.id, approved=approved, by=who(project), comment=comment)
    with CycleView(quiet=as_json) as view:
        cycle = loop.follow(cycle, view)
    show_cycle(loop, cycle, as_json)
    if not as_json and cycle.verdict is not None:
        next_step(f"everloop decision {cycle.number}", "shows who said what, and the record")
    sys.exit(exit_code(cycle))
