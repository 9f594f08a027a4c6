"""``everloop init``: a loop file from looking at the data."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import new_folder as folder_option
from everloop.cli._output import detail, next_step, print_json, say
from everloop.loop.initial import initialise


@click.command("init")
@click.argument("data", required=False)
@click.option("--target", help="The column to predict.  [default: guessed, and said]")
@click.option("--name", help="The loop's name.  [default: the file's]")
@click.option("--force", is_flag=True, help="Replace an everloop.toml that is there.")
@folder_option
@json_option
def command(
    data: str | None,
    target: str | None,
    name: str | None,
    force: bool,
    folder: Path,
    as_json: bool,
) -> None:
    """Write everloop.toml from looking at DATA (a file or a glob), and make the signing key."""
    made = initialise(folder, data, target=target, name=name, force=force)
    if as_json:
        print_json(made)
        return
    say(f"Wrote {folder / made.file}: loop {made.loop}, {made.task}.")
    said = "" if target else "; --target COLUMN --force says otherwise"
    detail(f'target "{made.target}": {made.why}{said}')
    for role, column in (("time", made.time), ("id", made.id)):
        if column:
            detail(f'{role} "{column}"')
    for note in made.notes:
        detail(f"note: {note}")
    next_step("everloop check", "then everloop run")
