"""``everloop export``: move out to elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._moving import at_server, progress, reconciliation
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import print_json, say
from everloop.cli._target import settings_of
from everloop.loop.mover import report
from everloop.loop.moving import export_mlflow


@click.group("export")
def command() -> None:
    """Hand experiments, runs and models on to elsewhere."""


@command.command("mlflow")
@click.argument("target")
@folder_option
@click.option("--no-artifacts", is_flag=True, help="Send no files.")
@click.option("--artifacts-to", metavar="FOLDER", help="Where a database's server keeps files.")
@json_option
def mlflow(
    target: str, folder: Path, no_artifacts: bool, artifacts_to: str | None, as_json: bool
) -> None:
    """Move out to MLflow: a database that keeps every id, or a running server.

    TARGET is sqlite:///new.db, postgresql://… or http://host:5000. A server gives runs and logged
    models new ids; the tags everloop.run_id and everloop.model_id hold the old ones. At the end
    both sides are counted and compared; exit code 1 when they differ.
    """
    if settings_of(folder).server:
        body = {"target": target, "artifacts": not no_artifacts}
        sys.exit(at_server(folder, "export", body, as_json))
    with progress(quiet=as_json) as tell:
        done = export_mlflow(
            target, folder, artifacts=not no_artifacts, artifacts_to=artifacts_to, tell=tell
        )
    if as_json:
        print_json(report(done))
    else:
        reconciliation(done, "everloop")
        if done.ok:
            say("Both sides are equal.")
    sys.exit(0 if done.ok else 1)
