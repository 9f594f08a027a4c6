"""Kubernetes' objects, as far as they are used here, with the names of its API.

https://kubernetes.io/docs/reference/kubernetes-api/ - fields are written in camel case; what is
None is left out.
"""

from __future__ import annotations

from typing import Any

import msgspec
import yaml


class Object(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base: a part of a manifest."""


class Meta(Object, frozen=True):
    name: str
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class SecretKey(Object, frozen=True):
    name: str
    key: str


class ValueFrom(Object, frozen=True):
    secret_key_ref: SecretKey


class Env(Object, frozen=True):
    name: str
    value: str | None = None
    value_from: ValueFrom | None = None


class Port(Object, frozen=True):
    name: str
    container_port: int
    protocol: str = "TCP"


class HttpGet(Object, frozen=True):
    path: str
    port: str


class Probe(Object, frozen=True):
    http_get: HttpGet
    period_seconds: int
    failure_threshold: int = 3
    timeout_seconds: int = 2


class Resources(Object, frozen=True):
    requests: dict[str, str]
    limits: dict[str, str]


class Capabilities(Object, frozen=True):
    drop: tuple[str, ...]


class SecurityContext(Object, frozen=True):
    run_as_non_root: bool = True
    read_only_root_filesystem: bool = True
    allow_privilege_escalation: bool = False
    capabilities: Capabilities = Capabilities(drop=("ALL",))


class Seccomp(Object, frozen=True):
    type: str = "RuntimeDefault"


class PodSecurity(Object, frozen=True):
    run_as_user: int
    run_as_group: int
    fs_group: int
    run_as_non_root: bool = True
    seccomp_profile: Seccomp = Seccomp()


class Mount(Object, frozen=True):
    name: str
    mount_path: str


class EmptyDir(Object, frozen=True):
    size_limit: str


class Volume(Object, frozen=True):
    name: str
    empty_dir: EmptyDir


class Container(Object, frozen=True):
    name: str
    image: str
    ports: list[Port]
    env: list[Env]
    resources: Resources
    readiness_probe: Probe
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
    security_context: SecurityContext = SecurityContext()
    volume_mounts: list[Mount] = []


class PodSpec(Object, frozen=True):
    containers: list[Container]
    volumes: list[Volume]
    security_context: PodSecurity
    service_account_name: str | None = None
    automount_service_account_token: bool = False
    termination_grace_period_seconds: int = 30
    topology_spread_constraints: list[dict[str, Any]] | None = None


class Selector(Object, frozen=True):
    match_labels: dict[str, str]


class Template(Object, frozen=True):
    metadata: dict[str, Any]
    spec: PodSpec


class Manifest(Object, frozen=True):
    """A whole object."""

    api_version: str
    kind: str
    metadata: Meta
    spec: Any = None


def to_yaml(*manifests: Manifest) -> bytes:
    """Documents of one file, in the order of the fields above."""
    return "---\n".join(
        yaml.safe_dump(_given(msgspec.to_builtins(one)), sort_keys=False, width=100)
        for one in manifests
    ).encode()


def _given(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _given(one) for key, one in value.items() if one is not None}
    return [_given(one) for one in value] if isinstance(value, list | tuple) else value
