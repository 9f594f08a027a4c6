"""``everloop export``: move out to elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from everloop.cli._moving import at_server, progress, reconciliation
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import print_json, say
from everloop.cli._target import settings_of
from everloop.deploy.export.context import write_files
from everloop.deploy.export.kserve import MODES
from everloop.loop.exporting import How, exported
from everloop.loop.mover import report
from everloop.loop.moving import export_mlflow
from everloop.loop.project import Project


@click.group("export")
def command() -> None:
    """Run an endpoint elsewhere, or hand runs and models on."""


def _kind(name: str, what: str, *options: Any, runs: bool = True) -> None:
    """Add the verb that exports one kind; ``runs`` the endpoint, or only watches it."""

    @command.command(name, help=what)
    @click.argument("endpoint", required=False)
    @click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help=f"The folder to write.  [default: ENDPOINT-{name}]",
    )
    @(_shared if runs else _planes)
    @folder_option
    @json_option
    def write(
        endpoint: str | None, out: Path | None, folder: Path, as_json: bool, **how: Any
    ) -> None:
        given = {key: value for key, value in how.items() if value is not None}
        with Project.open(folder) as project:
            files = exported(project, name, endpoint, msgspec.convert(given, How))
            shown = endpoint or project.endpoints.all()[0].name
        place = out or Path(f"{shown}-{name}")
        write_files(files, place)
        if as_json:
            print_json({"folder": str(place), "files": list(files)})
            return
        size = sum(map(len, files.values()))
        say(f"{len(files)} files, {size / 1e6:.1f} MB, in {place}/")
        say(NEXT[name].format(out=place, image=how.get("image") or f"{shown}:1"))

    for option in options:
        write = option(write)


def _shared(function: Any) -> Any:
    """What every kind takes."""
    options = [
        click.option("--name", help="Of the service.  [default: from the endpoint]"),
        click.option("--image", help="The image, as registry.example/team/name:tag."),
        click.option("--port", type=int, help="Of HTTP in the container.  [default: 8080]"),
        click.option("--grpc-port", type=int, help="Of gRPC, if it is to be served."),
        click.option("--access", type=click.Choice(["token", "network"]), help="Who may ask."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _planes(function: Any) -> Any:
    """Where Prometheus finds the planes."""
    control = click.option("--control", help="The control plane.  [default: 127.0.0.1:5050]")
    targets = click.option("--targets", help="The data planes, as host:port, host:port.")
    return targets(control(function))


NEXT = {
    "prometheus": "next: promtool check config {out}/prometheus.yml",
    "grafana": "next: import {out}/everloop-dashboard.json in Grafana",
    "docker": "next: docker build -t {image} {out}",
    "compose": "next: everloop export docker --out {out}, then docker compose up in {out}",
    "kubernetes": "next: kubectl apply -f {out}",
    "helm": "next: helm install {out}/*",
    "kserve": "next: kubectl apply -f {out}",
}
_RUNS = [
    click.option("--min", "min_replicas", type=int, help="Replicas at least."),
    click.option("--max", "max_replicas", type=int, help="Replicas at most."),
    click.option("--cpu", help="Each asks for, as 500m."),
    click.option("--memory", help="Each asks for, as 512Mi."),
    click.option("--memory-limit", help="Each may use, as 1Gi."),
]
_CANARY = [
    click.option("--mode", type=click.Choice(MODES), help="How KServe runs it."),
    click.option("--canary-image", help="The image of the version on trial."),
    click.option("--canary-percent", type=int, help="Of the requests, for it.  [default: 10]"),
]
_kind("docker", "Write the folder that an image is built from: slim, non-root, with an SBOM.")
_kind("compose", "Write compose.yaml for that folder.", *_RUNS[4:])
_kind("kubernetes", "Write Deployment, Service, autoscaler, budget and network policy.", *_RUNS)
_kind("helm", "Write a Helm chart of the same.", *_RUNS)
_kind("prometheus", "Write what Prometheus scrapes, and alert rules of the targets.", runs=False)
_kind("grafana", "Write a dashboard that Grafana imports.", runs=False)
_kind("kserve", "Write an InferenceService, with a canary if asked for.", *_RUNS, *_CANARY)


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
