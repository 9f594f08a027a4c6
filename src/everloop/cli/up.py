"""``everloop up``: console, API, predictions and controller under one supervisor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option


@click.command("up")
@folder_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to bind; beyond loopback a token is required.",
)
@click.option("--port", default=5050, show_default=True, help="Port of console and API.")
@click.option("--serve-port", default=5051, show_default=True, help="Port of the predictions.")
@click.option(
    "--workers", default="", help='How many processes predict; "auto" is one for each core.'
)
@json_option
def command(
    folder: Path, host: str, port: int, serve_port: int, workers: str, as_json: bool
) -> None:
    """Run everything for the folder and keep it going; Ctrl-C or SIGTERM stops it cleanly."""
    # A fresh interpreter: the supervisor keeps none of what the command line has imported.
    arguments = [
        sys.executable,
        "-m",
        "everloop.server.supervisor",
        "--dir",
        str(folder),
        "--host",
        host,
        "--port",
        str(port),
        "--serve-port",
        str(serve_port),
        *(["--workers", workers] if workers else []),
    ]
    sys.stdout.flush()
    os.execv(sys.executable, [*arguments, *(["--json"] if as_json else [])])
