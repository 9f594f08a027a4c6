"""What is exported, and how it is to run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from everloop.deploy.package import Package
from everloop.deploy.state import Arm
from everloop.errors import invalid

# A reference as container engines take it: [host[:port]/]path[:tag][@sha256:digest]
_IMAGE = re.compile(
    r"(?:[a-z0-9]+(?:[.-][a-z0-9]+)*(?::\d{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_QUANTITY = re.compile(r"\d+(?:\.\d+)?(?:m|k|M|G|Ki|Mi|Gi)?")
_LABEL = re.compile(r"[a-z](?:[-a-z0-9]{0,51}[a-z0-9])?")
Access = Literal["token", "network"]


class Served(msgspec.Struct, frozen=True):
    """An endpoint with the packages of its arms; ``packages`` lie verified on this machine."""

    name: str
    model: str
    arms: tuple[Arm, ...]
    packages: dict[str, Path]  # digest -> folder
    described: dict[str, Package]  # digest -> package.toml
    public_key: bytes  # PEM, of the key that signed them


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """How the image runs. Amounts are Kubernetes' quantities, such as ``500m`` and ``512Mi``.

    ``access`` : ``token`` asks callers for the token of a secret; ``network`` leaves it to the
    network who reaches the port, which KServe's router needs.
    """

    name: str
    image: str = ""
    port: int = 8080
    grpc_port: int | None = None
    min_replicas: int = 2
    max_replicas: int = 6
    cpu: str = "500m"
    memory: str = "512Mi"
    memory_limit: str = "1Gi"
    cpu_percent: int = 70  # of the request, at which replicas are added
    access: Access = "token"


def check_target(target: Target) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for what an engine or a cluster would refuse."""
    if not _LABEL.fullmatch(target.name):
        raise invalid(
            "name", target.name, "lower-case letters, digits and '-', at most 53, a letter first",
            fix="--name gives the exported service another name.",
        )  # fmt: skip
    if target.image and (len(target.image) > 255 or not _IMAGE.fullmatch(target.image)):
        raise invalid("image", target.image, "an image such as registry.example/team/name:tag")
    for field in ("cpu", "memory", "memory_limit"):
        if not _QUANTITY.fullmatch(getattr(target, field)):
            raise invalid(field, getattr(target, field), "a quantity such as 500m or 512Mi")
    if not 1 <= target.port <= 65535 or not 1 <= (target.grpc_port or 1) <= 65535:
        raise invalid("port", target.port, "a port from 1 to 65535")
    if target.min_replicas < 0:
        raise invalid("min_replicas", target.min_replicas, "0 or more")
    if target.max_replicas < max(1, target.min_replicas):
        least = max(1, target.min_replicas)
        raise invalid("max_replicas", target.max_replicas, f"{least} or more, as many as the least")
    if not 1 <= target.cpu_percent <= 100:
        raise invalid("cpu_percent", target.cpu_percent, "a share from 1 to 100")


def label_of(endpoint: str) -> str:
    """An endpoint's name as Kubernetes takes names."""
    text = re.sub(r"[^a-z0-9]+", "-", endpoint.lower()).strip("-")[:53].rstrip("-")
    return text if text[:1].isalpha() else f"m-{text}"[:53].rstrip("-")
