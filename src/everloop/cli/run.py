"""``everloop run``: one trip round the loop."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from everloop.ahead import worker_ahead
from everloop.cli._options import project_options
from everloop.memory import importing


@click.command("run")
@project_options
def command(folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Go once round the loop: snapshot, train, test, register, deploy, promote.

    When `everloop up` runs on the folder its controller does the work and this command follows it.
    """
    with worker_ahead(folder):
        with importing():  # a second of it, beside the worker's own
            module = importlib.import_module("everloop.cli._round")
        module.go_round(folder, loop_name, as_json)
