"""The pod that serves: the same under a Deployment and under KServe."""

from __future__ import annotations

from everloop.deploy.export._objects import (
    Container,
    EmptyDir,
    Env,
    HttpGet,
    Mount,
    PodSecurity,
    PodSpec,
    Port,
    Probe,
    Resources,
    SecretKey,
    SecurityContext,
    ValueFrom,
    Volume,
)
from everloop.deploy.export.context import LOG, USER
from everloop.deploy.export.target import Target

LOG_VOLUME, LOG_SIZE = "prediction-log", "2Gi"
TOKEN_KEY = "token"


def labels(target: Target) -> dict[str, str]:
    """What selects the pods of one endpoint."""
    return {"app.kubernetes.io/name": target.name, "app.kubernetes.io/managed-by": "everloop"}


def secret_name(target: Target) -> str:
    """The secret that holds the token; who deploys makes it."""
    return f"{target.name}-token"


def container(target: Target, name: str = "serving") -> Container:
    """The one container of the pod."""
    ports = [Port(name="http1", container_port=target.port)]
    if target.grpc_port:
        ports.append(Port(name="grpc", container_port=target.grpc_port))
    return Container(
        name=name,
        image=target.image,
        ports=ports,
        env=_environment(target),
        resources=Resources(
            requests={"cpu": target.cpu, "memory": target.memory},
            limits={"memory": target.memory_limit},
        ),
        startup_probe=_probe("/v2/health/live", every=1, failures=60),
        liveness_probe=_probe("/v2/health/live", every=10),
        readiness_probe=_probe("/v2/health/ready", every=2),
        security_context=SecurityContext(),
        volume_mounts=[Mount(name=LOG_VOLUME, mount_path=LOG)],
    )


def pod(target: Target, *, service_account: str | None = None, name: str = "serving") -> PodSpec:
    """The pod's specification; its root is read-only, the log's folder is not."""
    return PodSpec(
        containers=[container(target, name)],
        volumes=[Volume(name=LOG_VOLUME, empty_dir=EmptyDir(size_limit=LOG_SIZE))],
        security_context=PodSecurity(run_as_user=USER, run_as_group=USER, fs_group=USER),
        service_account_name=service_account,
        topology_spread_constraints=None,
    )


def _environment(target: Target) -> list[Env]:
    found = [Env(name="PORT", value=str(target.port))]
    if target.grpc_port:
        found.append(Env(name="EVERLOOP_GRPC_PORT", value=str(target.grpc_port)))
    if target.access == "network":
        return [*found, Env(name="EVERLOOP_ACCESS", value="network")]
    secret = SecretKey(name=secret_name(target), key=TOKEN_KEY)
    return [*found, Env(name="EVERLOOP_TOKEN", value_from=ValueFrom(secret_key_ref=secret))]


def _probe(path: str, every: int, failures: int = 3) -> Probe:
    return Probe(
        http_get=HttpGet(path=path, port="http1"), period_seconds=every, failure_threshold=failures
    )
