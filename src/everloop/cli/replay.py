"""``everloop replay``: a cycle's decisions again, from what was recorded of them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import detail, heading, next_step, print_json, say, table
from everloop.cli._target import opened


@click.command("replay")
@click.argument("cycle", type=int)
@project_options
def command(cycle: int, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Make the decisions of CYCLE again from its recorded evidence, and compare.

    Nothing is trained or measured. Exit code 1 when anything comes out otherwise; each field that
    does is shown.
    """
    with opened(folder, loop_name) as (loop, _):
        found = loop.replay(cycle)
    if as_json:
        print_json(found)
    else:
        heading(f"cycle {cycle} of {found.loop}, decided again")
        for judged in found.decisions:
            say(judged.question)
            detail(judged.answer)
            if judged.differences:
                rows = [(d.field, str(d.recorded), str(d.again)) for d in judged.differences]
                table(("field", "recorded", "again"), rows)
        say("It comes out the same." if found.agrees else "It comes out otherwise.")
        next_step(f"everloop history {cycle}", "shows its steps")
    sys.exit(0 if found.agrees else 1)
