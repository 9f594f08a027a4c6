"""``everloop settings``: every setting, and where it came from."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say, table


@click.command("settings")
@click.option("--all", "everything", is_flag=True, help="Those that nobody has set too.")
@folder_option
@json_option
def command(everything: bool, folder: Path, as_json: bool) -> None:
    """Show what is set, by the file or the environment, and what each setting is for.

    Secrets are not shown. With EVERLOOP_SERVER it is that server's.
    """
    with api(folder) as server:
        found, _ = items(server, "/settings")
    if as_json:
        print_json(found)
        return
    shown = [one for one in found if everything or one["source"] != "default"]
    if not shown:
        say("All settings have their defaults.")
    else:
        table(
            ("setting", "value", "from", "what for"),
            [(one["name"], one["value"], one["source"], one["about"]) for one in shown],
        )
    if not everything:
        next_step("everloop settings --all", "shows those that have their defaults too")
    else:
        next_step("everloop check", "after a change of [settings] in everloop.toml")
