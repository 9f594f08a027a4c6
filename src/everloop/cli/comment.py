"""``everloop comment``: a remark on a cycle."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._deciding import the_cycle, who
from everloop.cli._options import project_options
from everloop.cli._output import next_step, print_json, say
from everloop.cli._target import opened


@click.command("comment")
@click.argument("cycle", type=int)
@click.argument("text")
@project_options
def command(cycle: int, text: str, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Remark TEXT on CYCLE, whether it waits, runs or has ended."""
    with opened(folder, loop_name) as (loop, project):
        found = loop.comment(the_cycle(loop, cycle).id, text, by=who(project))
    if as_json:
        print_json(found)
    else:
        say(f"cycle {cycle}: {len(found.words)} words of people now.")
        next_step(f"everloop decision {cycle}", "shows all of them")
