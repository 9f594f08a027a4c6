"""What KServe's admission webhook refuses, checked before it is asked.

Its schema takes more than the webhook does (``canaryTrafficPercent: 150`` among others), so that a
manifest that validates may still be refused by the cluster.
"""

from __future__ import annotations

import re
from typing import Any

from everloop.errors import invalid

NAME = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
SCALERS = {"hpa": ("cpu", "memory"), "keda": ("cpu", "memory"), "external": (), "none": ()}
KNATIVE_METRICS = ("concurrency", "rps", "cpu", "memory")
MODES = ("Serverless", "RawDeployment", "Knative", "Standard")
FRAMEWORKS = ("model", "sklearn", "xgboost", "lightgbm", "triton", "pytorch", "tensorflow", "onnx")
LONGEST = 63 - len("-predictor")
_PREFIX = "serving.kserve.io/"


def check_service(manifest: dict[str, Any]) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` with the field's path."""
    name = manifest["metadata"]["name"]
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        expected = f"lower-case letters, digits and '-', at most {LONGEST}, a letter first"
        raise invalid("metadata.name", name, expected)
    annotations = manifest["metadata"].get("annotations") or {}
    mode = annotations.get(f"{_PREFIX}deploymentMode", "Serverless")
    if mode not in MODES:
        raise invalid(f"metadata.annotations.{_PREFIX}deploymentMode", mode, f"one of {MODES}")
    raw = mode in ("RawDeployment", "Standard")
    predictor = manifest["spec"].get("predictor")
    if not isinstance(predictor, dict):
        raise invalid("spec.predictor", predictor, "a predictor")
    _check_containers(predictor)
    _check_replicas(predictor, raw)
    _check_canary(predictor, raw)
    _check_scaling(predictor, annotations, raw)
    for field in ("containerConcurrency", "timeout"):
        value = predictor.get(field)
        if value is not None and (not _whole(value) or value < 0):
            raise invalid(f"spec.predictor.{field}", value, "a whole number, 0 or more")


def _check_containers(predictor: dict[str, Any]) -> None:
    path = "spec.predictor.containers"
    containers = predictor.get("containers") or []
    models = [name for name in FRAMEWORKS if predictor.get(name)]
    if len(models) + bool(containers) != 1:
        got = [*models, *(["containers"] if containers else [])]
        raise invalid("spec.predictor", got, "exactly one of a model and containers")
    names = [one.get("name") for one in containers]
    if containers and names.count("kserve-container") != 1:
        raise invalid(path, names, 'one container named "kserve-container"')
    for place, one in enumerate(containers):
        if not one.get("image"):
            raise invalid(f"{path}[{place}].image", "<nothing>", "an image")


def _check_replicas(predictor: dict[str, Any], raw: bool) -> None:
    least, most = predictor.get("minReplicas"), predictor.get("maxReplicas")
    for field, value in (("minReplicas", least), ("maxReplicas", most)):
        if value is not None and (not _whole(value) or value < 0):
            raise invalid(f"spec.predictor.{field}", value, "a whole number, 0 or more")
    if most and (least or 0) > most:
        raise invalid("spec.predictor.maxReplicas", most, f"{least} or more, as many as the least")
    if raw and least == 0:
        expected = "1 or more, since a RawDeployment cannot scale to zero"
        raise invalid("spec.predictor.minReplicas", least, expected)


def _check_canary(predictor: dict[str, Any], raw: bool) -> None:
    percent = predictor.get("canaryTrafficPercent")
    if percent is None:
        return
    path = "spec.predictor.canaryTrafficPercent"
    if not _whole(percent) or not 0 <= percent <= 100:
        raise invalid(path, percent, "a whole number from 0 to 100")
    if raw:
        raise invalid(path, percent, "none in a RawDeployment, which cannot split the traffic")


def _check_scaling(predictor: dict[str, Any], annotations: dict[str, str], raw: bool) -> None:
    scaler = annotations.get(f"{_PREFIX}autoscalerClass", "hpa")
    if scaler not in SCALERS:
        path = f"metadata.annotations.{_PREFIX}autoscalerClass"
        raise invalid(path, scaler, "one of " + ", ".join(SCALERS))
    metric, target = predictor.get("scaleMetric"), predictor.get("scaleTarget")
    known = SCALERS[scaler] if raw else KNATIVE_METRICS
    if metric is not None and metric not in known:
        expected = "one of " + ", ".join(known) if known else f"none with {scaler}"
        raise invalid("spec.predictor.scaleMetric", metric, expected)
    if target is not None and (not _whole(target) or target < 1):
        raise invalid("spec.predictor.scaleTarget", target, "a whole number, 1 or more")
    if metric == "cpu" and target is not None and target > 100:
        raise invalid("spec.predictor.scaleTarget", target, "a percentage from 1 to 100")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
