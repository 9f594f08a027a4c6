"""``everloop import``: move in from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._moving import at_server, progress, reconciliation
from everloop.cli._options import as_json as json_option
from everloop.cli._options import new_folder
from everloop.cli._output import next_step, print_json, say
from everloop.cli._target import settings_of
from everloop.loop.mover import report
from everloop.loop.moving import import_mlflow


@click.group("import")
def command() -> None:
    """Bring experiments, runs and models in from elsewhere."""


@command.command("mlflow")
@click.argument("source")
@new_folder
@click.option("--dry-run", is_flag=True, help="Look at everything, write nothing.")
@click.option("--artifacts-from", metavar="PLACE", help="What mlflow-artifacts: stands for.")
@click.option("--no-artifacts", is_flag=True, help="Leave files where they are.")
@click.option("--merge", is_flag=True, help="Put runs into experiments of the same name.")
@click.option("--rename-with", default="", metavar="SUFFIX", help="Ends names that are taken.")
@click.option("--no-checksums", is_flag=True, help="Do not read what is here already again.")
@json_option
def mlflow(
    source: str, folder: Path, dry_run: bool, artifacts_from: str | None, no_artifacts: bool,
    merge: bool, rename_with: str, no_checksums: bool, as_json: bool,
) -> None:  # fmt: skip
    """Move in from MLflow: its server, its database, or its folder mlruns.

    SOURCE is http://host:5000, sqlite:///mlflow.db, postgresql://… or a folder. Runs keep their
    ids, experiments theirs where they are free.
    With EVERLOOP_SERVER that server does it. When it is cut off, start it again; when it is
    done, again changes nothing. At the end both sides are counted and compared; exit code 1 when
    they differ.
    """
    if settings_of(folder).server:
        body = {"source": source, "artifacts": not no_artifacts, "artifacts_from": artifacts_from,
                "merge": merge, "rename_with": rename_with, "checksums": not no_checksums,
                "dry_run": dry_run}  # fmt: skip
        sys.exit(at_server(folder, "import", body, as_json))
    folder.mkdir(parents=True, exist_ok=True)
    with progress(quiet=as_json) as tell:
        done = import_mlflow(
            source,
            folder,
            artifacts=not no_artifacts,
            artifacts_from=artifacts_from,
            merge=merge,
            rename_with=rename_with,
            checksums=not no_checksums,
            dry_run=dry_run,
            tell=tell,
        )
    if as_json:
        print_json(report(done))
    elif dry_run:
        reconciliation(done, "would move")
        next_step(f"everloop import mlflow {source}", "to do it")
    else:
        reconciliation(done, "everloop")
        if done.ok:
            say("Both sides are equal.")
            next_step("everloop up", "and set MLFLOW_TRACKING_URI to its address")
    sys.exit(0 if done.ok else 1)
