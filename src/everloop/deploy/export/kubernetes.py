"""Plain Kubernetes: a Deployment and what keeps it reachable, scaled, undisturbed and fenced in."""

from __future__ import annotations

from typing import Any

from everloop.deploy.export._objects import Manifest, Meta, Object, Selector, Template, to_yaml
from everloop.deploy.export.pods import labels, pod
from everloop.deploy.export.target import Target
from everloop.errors import invalid


class DeploymentSpec(Object, frozen=True):
    selector: Selector
    template: Template
    strategy: dict[str, Any]
    replicas: int | None = None


class ServiceSpec(Object, frozen=True):
    selector: dict[str, str]
    ports: list[dict[str, Any]]
    type: str = "ClusterIP"


class AutoscalerSpec(Object, frozen=True):
    scale_target_ref: dict[str, str]
    min_replicas: int
    max_replicas: int
    metrics: list[dict[str, Any]]


class DisruptionSpec(Object, frozen=True):
    max_unavailable: int
    selector: Selector


class NetworkPolicySpec(Object, frozen=True):
    pod_selector: Selector
    policy_types: list[str]
    ingress: list[dict[str, Any]]
    egress: list[dict[str, Any]]


def kubernetes(target: Target) -> dict[str, bytes]:
    """One file with all objects, in the order in which they are applied."""
    return {f"{target.name}.yaml": to_yaml(*manifests(target))}


def manifests(target: Target) -> list[Manifest]:
    """The objects. Raises InvalidInput where there is no image, or no replica to keep."""
    if not target.image:
        raise invalid("image", "<nothing>", "the image that `everloop export docker` is built to")
    if target.min_replicas < 1:
        expected = "1 or more, since a Deployment's autoscaler keeps one at least"
        raise invalid("min_replicas", target.min_replicas, expected)
    return [
        _account(target),
        _deployment(target),
        _service(target),
        _autoscaler(target),
        _disruptions(target),
        _network(target),
    ]


def _meta(target: Target) -> Meta:
    return Meta(name=target.name, labels=labels(target))


def _selector(target: Target) -> Selector:
    return Selector(match_labels={"app.kubernetes.io/name": target.name})


def _account(target: Target) -> Manifest:
    """An account without rights: the pod asks nothing of the cluster."""
    return Manifest(api_version="v1", kind="ServiceAccount", metadata=_meta(target))


def _deployment(target: Target) -> Manifest:
    spec = DeploymentSpec(
        selector=_selector(target),
        template=Template(
            metadata={"labels": labels(target)}, spec=pod(target, service_account=target.name)
        ),
        # A new pod is ready before an old one goes: a rollout costs no request.
        strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
    )
    return Manifest(api_version="apps/v1", kind="Deployment", metadata=_meta(target), spec=spec)


def _service(target: Target) -> Manifest:
    ports: list[dict[str, Any]] = [{"name": "http", "port": 80, "targetPort": "http1"}]
    if target.grpc_port:
        ports.append({"name": "grpc", "port": target.grpc_port, "targetPort": "grpc"})
    spec = ServiceSpec(selector=_selector(target).match_labels, ports=ports)
    return Manifest(api_version="v1", kind="Service", metadata=_meta(target), spec=spec)


def _autoscaler(target: Target) -> Manifest:
    use = {"type": "Utilization", "averageUtilization": target.cpu_percent}
    spec = AutoscalerSpec(
        scale_target_ref={"apiVersion": "apps/v1", "kind": "Deployment", "name": target.name},
        min_replicas=target.min_replicas,
        max_replicas=target.max_replicas,
        metrics=[{"type": "Resource", "resource": {"name": "cpu", "target": use}}],
    )
    return Manifest(
        api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", metadata=_meta(target),
        spec=spec,
    )  # fmt: skip


def _disruptions(target: Target) -> Manifest:
    spec = DisruptionSpec(max_unavailable=1, selector=_selector(target))
    return Manifest(
        api_version="policy/v1", kind="PodDisruptionBudget", metadata=_meta(target), spec=spec
    )


def _network(target: Target) -> Manifest:
    """Pods of the same namespace may ask; the pod itself reaches nothing."""
    ports: list[dict[str, Any]] = [{"protocol": "TCP", "port": target.port}]
    if target.grpc_port:
        ports.append({"protocol": "TCP", "port": target.grpc_port})
    spec = NetworkPolicySpec(
        pod_selector=_selector(target),
        policy_types=["Ingress", "Egress"],
        ingress=[{"from": [{"podSelector": {}}], "ports": ports}],
        egress=[],
    )
    return Manifest(
        api_version="networking.k8s.io/v1", kind="NetworkPolicy", metadata=_meta(target), spec=spec
    )
