"""KServe: an InferenceService around the image, with a canary in both of its modes.

Under ``Serverless`` (Knative) KServe splits the traffic itself: the new image is applied with
``canaryTrafficPercent``, and the revision before keeps the rest. ``RawDeployment`` has no such
split; there the canary is a service of its own, and an HTTPRoute of the Gateway API weighs the two.

https://kserve.github.io/website/docs/reference/crd-api
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from everloop.deploy.export._objects import Manifest, Meta, Object, to_yaml
from everloop.deploy.export.kserve_rules import check_service
from everloop.deploy.export.pods import labels, pod
from everloop.deploy.export.target import Target
from everloop.errors import invalid

Mode = Literal["Serverless", "RawDeployment"]
MODES = ("Serverless", "RawDeployment")
MODE = "serving.kserve.io/deploymentMode"
SCALER = "serving.kserve.io/autoscalerClass"
CONTAINER = "kserve-container"


class Canary(msgspec.Struct, frozen=True):
    """The image that gets ``percent`` of the requests."""

    image: str
    percent: int


class InferenceServiceSpec(Object, frozen=True):
    predictor: dict[str, Any]


def kserve(
    target: Target, mode: Mode = "Serverless", canary: Canary | None = None
) -> dict[str, bytes]:
    """One file; checked by the rules that KServe's own webhook has.

    Raises :class:`~everloop.errors.InvalidInput` where KServe would refuse it.
    """
    if not target.image:
        raise invalid("image", "<nothing>", "the image that `everloop export docker` is built to")
    if canary is not None and not 0 <= canary.percent <= 100:
        raise invalid("canary_percent", canary.percent, "a share from 0 to 100")
    if mode == "RawDeployment":
        found = _raw(target, canary)
    else:
        image = target.image if canary is None else canary.image
        percent = None if canary is None else canary.percent
        found = [_service(msgspec.structs.replace(target, image=image), mode, percent)]
    for manifest in found:
        if manifest.kind == "InferenceService":
            check_service(msgspec.to_builtins(manifest))
    return {f"{target.name}-kserve.yaml": to_yaml(*found)}


def _service(target: Target, mode: Mode, percent: int | None) -> Manifest:
    spec = msgspec.to_builtins(pod(target, name=CONTAINER))
    predictor: dict[str, Any] = {
        "minReplicas": target.min_replicas,
        "maxReplicas": target.max_replicas,
        "canaryTrafficPercent": percent,
        "timeout": 60,
        **{key: value for key, value in spec.items() if value is not None},
    }
    # The grace is Knative's to choose.
    predictor.pop("terminationGracePeriodSeconds")
    annotations: dict[str, str] = {MODE: mode}
    if mode == "RawDeployment":
        annotations[SCALER] = "hpa"
        predictor |= {"scaleMetric": "cpu", "scaleTarget": target.cpu_percent}
    for one in predictor["containers"]:
        _adapt(one, mode)
    return Manifest(
        api_version="serving.kserve.io/v1beta1",
        kind="InferenceService",
        metadata=Meta(name=target.name, labels=labels(target), annotations=annotations),
        spec=InferenceServiceSpec(predictor=predictor),
    )


def _adapt(container: dict[str, Any], mode: Mode) -> None:
    """Knative takes a single port, and no startup probe of its own."""
    if mode == "Serverless":
        container["ports"] = container["ports"][:1]
        container["startupProbe"] = None


def _raw(target: Target, canary: Canary | None) -> list[Manifest]:
    if canary is None:
        return [_service(target, "RawDeployment", None)]
    beside = msgspec.structs.replace(target, name=f"{target.name}-canary", image=canary.image)
    return [
        _service(target, "RawDeployment", None),
        _service(beside, "RawDeployment", None),
        _route(target, beside, canary.percent),
    ]


def _route(target: Target, canary: Target, percent: int) -> Manifest:
    def weighed(one: Target, weight: int) -> dict[str, Any]:
        return {"name": f"{one.name}-predictor", "port": 80, "weight": weight}

    backends = [weighed(target, 100 - percent), weighed(canary, percent)]
    spec = {
        "parentRefs": [{"name": "kserve-ingress-gateway", "namespace": "kserve"}],
        "hostnames": [f"{target.name}.example.com"],
        "rules": [{"backendRefs": backends}],
    }
    return Manifest(
        api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute",
        metadata=Meta(name=f"{target.name}-split", labels=labels(target)), spec=spec,
    )  # fmt: skip
