"""``everloop history``: the cycles, newest first; or one with its steps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from everloop.cli._cycles import describe, show_cycle
from everloop.cli._options import project_options
from everloop.cli._output import heading, next_step, print_json, say, table
from everloop.errors import NotFound
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop, loop_of
from everloop.loop.project import Project


@click.command("history")
@click.argument("cycle", required=False, type=int)
@click.option("--limit", default=20, show_default=True, help="How many cycles.")
@click.option("--before", type=int, help="Only cycles with a smaller number.")
@project_options
def command(
    cycle: int | None,
    limit: int,
    before: int | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Show the loop's cycles with their causes and verdicts, or the steps of one CYCLE."""
    with Project.open(folder) as project:
        loop = loop_of(project, loop_name)
        if cycle is not None:
            _one(loop, cycle, as_json)
            return
        cycles = loop.history(before, limit)
        if as_json:
            print_json(cycles)
            return
        table(
            ("cycle", "started", "cause", "verdict", "version", "reason"),
            [
                (
                    c.number,
                    _when(c.started),
                    _cause(c),
                    (c.verdict or c.state).replace("_", " "),
                    c.version,
                    c.reason or "",
                )
                for c in cycles
            ],
        )
        if not cycles:
            next_step("everloop run", "goes round once")
        else:
            next_step(f"everloop history {cycles[0].number}", "shows the steps of one cycle")


def _one(loop: Loop, number: int, as_json: bool) -> None:
    found = [c for c in loop.history(before=number + 1, limit=1) if c.number == number]
    if not found:
        raise NotFound(f"cycle: got {number}, which {loop.name} does not have.", path="cycle")
    if not as_json:
        heading(f"cycle {number} of {loop.name}, cause: {_cause(found[0])}")
        for step in loop.steps(found[0].id):
            spent = (
                f"{(step.finished - step.started) / 1000:.1f} s" if step.finished else "under way"
            )
            for line in describe(step.step, step.result or {}) or [step.error or step.state]:
                say(f"  {step.step:<9} {line}  {spent}")
    show_cycle(loop, found[0], as_json)


def _cause(cycle: Cycle) -> str:
    return str(cycle.cause.get("reason") or cycle.cause["kind"])


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
