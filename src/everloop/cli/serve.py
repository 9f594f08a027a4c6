"""``everloop serve``: the data plane alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import say
from everloop.loop.project import Project
from everloop.loop.publishing import pin, served
from everloop.server.bind import check_bind, check_port, claim_port, reachable


@click.command("serve")
@click.argument("model", required=False)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to bind; beyond loopback a token is required.",
)
@click.option("--port", default=5051, show_default=True, help="Port of the predictions.")
@click.option("--grpc-port", type=int, help="Serve gRPC too, on this port; 0 takes a free one.")
@folder_option
@json_option
def command(
    model: str | None, host: str, port: int, grpc_port: int | None, folder: Path, as_json: bool
) -> None:
    """Answer predictions over HTTP: POST /predict with records or columns.

    MODEL is a name, name@alias or name/version and is served as it is; without it every endpoint
    of the project is served and follows its champion.
    """
    with Project.open(folder) as project:
        check_bind(host, project.settings.token)
        check_port(port, "--port")
        if grpc_port is not None:
            check_port(grpc_port, "--grpc-port")
        endpoints = dict(served(project, model))
        port = claim_port(host, port, "--port")
        if model is not None:
            pinned = ["--state", str(pin(project, model, port))]
        else:
            pinned = []
            project.publish()
    url = f"http://{reachable(host)}:{port}"
    if not as_json:
        for name, version in endpoints.items():
            say(f"endpoint {name}: version {version}")
        say(f"predictions at {url}  (POST /predict; Ctrl-C stops)")
    arguments = [
        sys.executable,
        "-m",
        "everloop.deploy.serving",
        "--dir",
        str(folder),
        "--host",
        host,
        "--port",
        str(port),
        *pinned,
        *([] if grpc_port is None else ["--grpc-port", str(grpc_port)]),
        *(["--json"] if as_json else []),
    ]
    sys.stdout.flush()
    # The data plane has no SQL, no tables and no training library in its process.
    os.execv(sys.executable, arguments)
