"""``everloop serve``: the data plane alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import say
from everloop.deploy.state import read_state, state_path
from everloop.errors import Unavailable, invalid
from everloop.loop.project import Project
from everloop.loop.publishing import pin, served
from everloop.server.bind import check_bind, check_port, claim_port, reachable
from everloop.server.supervisor import read_settings
from everloop.settings import check_workers, state_dir


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
@click.option(
    "--workers", default="", help='How many processes answer; "auto" is one for each core.'
)
@click.option(
    "--follow", metavar="URL", default="", help="Serve what a control plane elsewhere publishes."
)
@folder_option
@json_option
def command(
    model: str | None,
    host: str,
    port: int,
    grpc_port: int | None,
    workers: str,
    follow: str,
    folder: Path,
    as_json: bool,
) -> None:
    """Answer predictions over HTTP: POST /predict with records or columns.

    MODEL is a name, name@alias or name/version and is served as it is; without it every endpoint
    of the project is served and follows its champion. What was published last is served also
    while the database and the object store are down. With --follow the folder keeps what comes
    from the control plane, and the log goes back to it.
    """
    check_bind(host, read_settings(folder).token)
    check_port(port, "--port")
    if workers:
        check_workers(workers, "--workers")
    if grpc_port is not None:
        check_port(grpc_port, "--grpc-port")
    if follow:
        _check_follow(follow, model)
        endpoints: dict[str, str] = {}
        pinned = ["--follow", follow]
        port = claim_port(host, port, "--port")
    else:
        endpoints, pinned, port = _prepare(folder, model, host, port)
    if not as_json:
        for name, version in endpoints.items():
            say(f"endpoint {name}: version {version}")
        say(f"predictions at http://{reachable(host)}:{port}  (POST /predict; Ctrl-C stops)")
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
        *(["--workers", workers] if workers else []),
        *(["--json"] if as_json else []),
    ]
    sys.stdout.flush()
    # The data plane has no SQL, no tables and no training library in its process.
    os.execv(sys.executable, arguments)


def _check_follow(url: str, model: str | None) -> None:
    if not url.startswith(("http://", "https://")):
        raise invalid("--follow", url, "an address such as http://control:5050")
    if model is not None:
        raise invalid("MODEL", model, "no model beside --follow, which serves what is published")


def _prepare(
    folder: Path, model: str | None, host: str, port: int
) -> tuple[dict[str, str], list[str], int]:
    """Endpoints with their versions, arguments and port; from the cache during an outage."""
    try:
        with Project.open(folder) as project:
            endpoints = dict(served(project, model))
            port = claim_port(host, port, "--port")
            if model is not None:
                return endpoints, ["--state", str(pin(project, model, port))], port
            project.publish()
            return endpoints, [], port
    except Unavailable as error:
        cached = read_state(state_path(state_dir(folder)))
        if model is not None or not cached.endpoints:
            raise
        click.echo(f"{error.message} What was published last is served.", err=True)
    versions = {
        name: ", ".join(f"{arm.version} ({arm.role})" for arm in endpoint.arms)
        for name, endpoint in cached.endpoints.items()
    }
    return versions, [], claim_port(host, port, "--port")
