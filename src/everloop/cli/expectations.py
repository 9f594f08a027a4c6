"""``everloop expectations``: what the rows of a window should be like, as a file to edit."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import next_step, print_json, say
from everloop.cli._target import opened
from everloop.errors import Conflict
from everloop.monitor.quality.expectations import to_toml


@click.command("expectations")
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: the loop's]")
@click.option("--show", is_flag=True, help="Print what is obeyed, and write nothing.")
@project_options
def command(
    out: Path | None, show: bool, folder: Path, loop_name: str | None, as_json: bool
) -> None:
    """Write expectations.toml: ranges, levels, missing values, rules between features.

    It is learned from the champion's training rows. Edit what you know better: from then on each
    window is held against the file.
    """
    with opened(folder, loop_name) as (loop, project):
        found = loop.expectations()
        if as_json:
            print_json(found)
            return
        if show:
            say(to_toml(found).rstrip())
            return
        name = "expectations.toml"
        if project is not None:
            name = project.cycles.declaration(loop.name).monitor.expectations
        path = out or folder / name
        if path.exists():
            raise Conflict(
                f"{path}: is there already, and may have been edited.", path=str(path),
                fix="Delete it to learn again, or name another file with --out.",
            )  # fmt: skip
        path.write_text(to_toml(found), "utf-8")
        say(f"{path}: {len(found.features)} features, {len(found.rules)} rules between them")
        next_step("everloop monitor", "holds each new window against it")
