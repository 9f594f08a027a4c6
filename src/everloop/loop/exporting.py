"""Out to the world: an endpoint as an image's context, or as manifests that run the image."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from everloop.deploy.endpoints import Endpoint
from everloop.deploy.export.compose import compose
from everloop.deploy.export.context import context, write_files
from everloop.deploy.export.grafana import grafana
from everloop.deploy.export.helm import helm
from everloop.deploy.export.kserve import MODES, Canary, kserve
from everloop.deploy.export.kubernetes import kubernetes
from everloop.deploy.export.prometheus import prometheus
from everloop.deploy.export.queries import Watched
from everloop.deploy.export.target import Served, Target, check_target, label_of
from everloop.durations import seconds
from everloop.errors import invalid, not_one_of
from everloop.loop.project import Project
from everloop.monitor.spec import HealthSpec

Files = dict[str, bytes]
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}")
_PLAIN: dict[str, Callable[[Target], Files]] = {
    "kubernetes": kubernetes,
    "helm": helm,
    "compose": compose,
}
_WATCHED: dict[str, Callable[[Watched], Files]] = {"prometheus": prometheus, "grafana": grafana}
KINDS = ("docker", "kubernetes", "helm", "compose", "kserve", *_WATCHED)
SERVE, CONTROL = "127.0.0.1:5051", "127.0.0.1:5050"


class How(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What :func:`export` may be told; see :class:`~everloop.deploy.export.target.Target`.

    ``name`` : of the exported service; made from the endpoint's unless given. ``mode``,
    ``canary_image`` and ``canary_percent`` are KServe's. ``targets`` (data planes, as
    ``host:port, host:port``) and ``control`` are what Prometheus scrapes.
    """

    name: str = ""
    image: str = ""
    port: int = 8080
    grpc_port: int | None = None
    min_replicas: int | None = None
    max_replicas: int = 6
    cpu: str = "500m"
    memory: str = "512Mi"
    memory_limit: str = "1Gi"
    access: str = ""
    mode: str = "Serverless"
    canary_image: str = ""
    canary_percent: int = 10
    targets: str = ""
    control: str = ""


def export(
    kind: str,
    out: Path | str,
    *,
    endpoint: str | None = None,
    dir: Path | str = ".",
    **how: Any,
) -> list[Path]:
    """Write what runs an endpoint elsewhere below the folder ``out``; returns the files.

    Parameters
    ----------
    kind : ``docker`` (the folder an image is built from), ``kubernetes``, ``helm``, ``compose`` or
        ``kserve`` (manifests that run the image); ``prometheus`` (what to scrape, and rules) or
        ``grafana`` (a dashboard).
    endpoint : its name; may be left out when there is one.
    dir : the project's folder.
    how : the fields of :class:`How`.

    Raises :class:`~everloop.errors.InvalidInput` for what an engine or a cluster would refuse, and
    :class:`~everloop.errors.NotFound` for an unknown endpoint.
    """
    folder = Path(out)
    try:
        wanted = msgspec.convert(how, How)
    except msgspec.ValidationError as error:
        raise invalid("how", how, f"the options of an export ({error})") from None
    with Project.open(dir) as project:
        files = exported(project, kind, endpoint, wanted)
    write_files(files, folder)
    return [folder / name for name in files]


def exported(project: Project, kind: str, endpoint: str | None, how: How) -> Files:
    """The same as names and contents, for those who write them elsewhere."""
    if kind not in KINDS:
        raise not_one_of("kind", kind, KINDS)
    if kind in _WATCHED:
        return _WATCHED[kind](_watched(project, endpoint, how))
    served = _served(project, endpoint)
    target = _target(kind, served, how)
    check_target(target)
    if kind == "docker":
        return context(served, target)
    if kind != "kserve":
        return _PLAIN[kind](target)
    if how.mode not in MODES:
        raise invalid("mode", how.mode, "one of " + ", ".join(MODES))
    canary = Canary(how.canary_image, how.canary_percent) if how.canary_image else None
    return kserve(target, how.mode, canary)  # type: ignore[arg-type]


def archive(files: Files) -> bytes:
    """The files as one .tar.gz, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _target(kind: str, served: Served, how: How) -> Target:
    """KServe's router sends no token; elsewhere callers do, and a second replica stands by."""
    kserve_alone = kind == "kserve"
    least = how.min_replicas
    if least is None:
        least = 1 if kserve_alone else 2
    access = how.access or ("network" if kserve_alone else "token")
    if access not in ("token", "network"):
        raise invalid("access", access, "token or network")
    return Target(
        name=how.name or label_of(served.name),
        image=how.image,
        port=how.port,
        grpc_port=how.grpc_port,
        min_replicas=least,
        max_replicas=how.max_replicas,
        cpu=how.cpu,
        memory=how.memory,
        memory_limit=how.memory_limit,
        access="network" if access == "network" else "token",
    )


def _watched(project: Project, endpoint: str | None, how: How) -> Watched:
    """The endpoint with the targets that its loop declares, and where its planes are."""
    name = _chosen(project, endpoint).name
    health = project.declared_monitor(name).health or HealthSpec()
    planes = [one.strip() for one in how.targets.split(",") if one.strip()]
    if not planes:
        planes = [urlsplit(plane.url).netloc for plane in project.planes()] or [SERVE]
    seconds_each = round(seconds(health.window, "monitor.health.window"))
    for address in (*planes, how.control or CONTROL):
        if not _ADDRESS.fullmatch(address):
            raise invalid("targets", address, "host:port, with commas between")
    return Watched(
        endpoint=name,
        error_rate=health.error_rate,
        p99_ms=health.p99_ms,
        shed=health.shed,
        window=f"{max(seconds_each, 60)}s",
        patience=f"{seconds_each * (health.windows - 1)}s",
        core_hour=health.core_hour,
        planes=tuple(planes),
        control=how.control or CONTROL,
        token=bool(project.settings.token),
    )


def _chosen(project: Project, endpoint: str | None) -> Endpoint:
    """The endpoint of that name, or the only one."""
    if endpoint is not None:
        return project.endpoints.get(endpoint)
    found = project.endpoints.all()
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found) or "none"
    fix = None if found else "everloop run trains a model that serves at one."
    raise invalid("endpoint", "<nothing>", f"the name of one; there are: {names}", fix=fix)


def _served(project: Project, endpoint: str | None) -> Served:
    """The endpoint with its packages on this disk."""
    chosen = _chosen(project, endpoint)
    packages, described = {}, {}
    for arm in chosen.arms:
        folder, package = project.package(project.registry.version(chosen.model, arm.version))
        packages[arm.digest], described[arm.digest] = folder, package
    return Served(
        name=chosen.name,
        model=chosen.model,
        arms=chosen.arms,
        packages=packages,
        described=described,
        public_key=(project.state / "keys" / "signing.pub").read_bytes(),
    )
