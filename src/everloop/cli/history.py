"""``everloop history``: the cycles, newest first; or one with its steps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from everloop.cli._cycles import describe, show_cycle
from everloop.cli._options import limit as limit_option
from everloop.cli._options import project_options
from everloop.cli._output import detail, heading, next_step, print_json, say
from everloop.cli._target import AnyLoop, opened
from everloop.console.words import cause_brief, plain, reason_words
from everloop.errors import NotFound
from everloop.loop.cycles import Cycle


@click.command("history")
@click.argument("cycle", required=False, type=int)
@limit_option(20, "cycles")
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
    with opened(folder, loop_name) as (loop, _):
        if cycle is not None:
            _one(loop, cycle, as_json)
            return
        cycles = loop.history(before, limit)
        if as_json:
            print_json(cycles)
            return
        width = max((len(_verdict(c)) for c in cycles), default=0)
        for c in cycles:
            version = "" if c.version is None else f"version {c.version}, "
            say(
                f"{c.number:>4}  {_when(c.started)}  {_verdict(c):<{width}}  "
                f"{version}{cause_brief(c.cause)}"
            )
            if c.reason:
                detail(reason_words(c.reason, c.verdict, c.cause), indent=6)
        if not cycles and before is None:
            next_step("everloop run", "goes round once")
        elif len(cycles) == limit and cycles[-1].number > 1:
            next_step(f"everloop history --before {cycles[-1].number}", "shows older ones")
        elif not cycles:
            next_step("everloop history", "shows the newest ones")
        else:
            next_step(f"everloop history {cycles[0].number}", "shows the steps of one cycle")


def _one(loop: AnyLoop, number: int, as_json: bool) -> None:
    found = [c for c in loop.history(before=number + 1, limit=1) if c.number == number]
    if not found:
        raise NotFound(f"cycle: got {number}, which {loop.name} does not have.", path="cycle")
    if not as_json:
        heading(f"cycle {number} of {loop.name}, cause: {cause_brief(found[0].cause)}")
        for step in loop.steps(found[0].id):
            spent = (
                f"{(step.finished - step.started) / 1000:.1f} s" if step.finished else "under way"
            )
            for line in describe(step.step, step.result or {}) or [step.error or step.state]:
                detail(f"{line}  {spent}", step.step)
    show_cycle(loop, found[0], as_json)
    if not as_json and found[0].finished is not None:
        next_step("everloop history", "shows the others")


def _verdict(cycle: Cycle) -> str:
    return plain(cycle.verdict or cycle.state)


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
