"""A Helm chart: the objects of :mod:`everloop.deploy.export.kubernetes` with values to choose.

The objects are made once with marks in the places of the values; each mark becomes an expression
``{{ .Values.x }}``, so that chart and manifests cannot drift apart.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from everloop.deploy.export._objects import to_yaml
from everloop.deploy.export.kubernetes import manifests
from everloop.deploy.export.target import Target
from everloop.version import __version__

# Marks that no honest manifest holds, valid where the real values stand.
_NUMBERS = {"min_replicas": 970001, "max_replicas": 970002, "cpu_percent": 970006}
_TEXTS = {"cpu": "970003m", "memory": "970004Mi", "memory_limit": "970005Mi"}
_NAMES = {
    "min_replicas": "minReplicas",
    "max_replicas": "maxReplicas",
    "cpu_percent": "cpuPercent",
    "cpu": "resources.cpu",
    "memory": "resources.memory",
    "memory_limit": "resources.memoryLimit",
}


def helm(target: Target) -> dict[str, bytes]:
    """The chart's files below a folder of its name."""
    found = manifests(target)  # says what is wrong with the real values
    marked = manifests(msgspec.structs.replace(target, image="marked/image", **_NUMBERS, **_TEXTS))
    files = {
        "Chart.yaml": _dump(
            {
                "apiVersion": "v2",
                "name": target.name,
                "description": f"Predictions of {target.name}",
                "type": "application",
                "version": "0.1.0",
                "appVersion": __version__,
            }
        ),
        "values.yaml": _dump(_values(target)),
    }
    for plain, one in zip(found, marked, strict=True):
        text = to_yaml(one).decode()
        files[f"templates/{plain.kind.lower()}.yaml"] = _templated(text).encode()
    return {f"{target.name}/{name}": content for name, content in files.items()}


def _values(target: Target) -> dict[str, Any]:
    resources = {"cpu": target.cpu, "memory": target.memory, "memoryLimit": target.memory_limit}
    return {
        "image": target.image,
        "minReplicas": target.min_replicas,
        "maxReplicas": target.max_replicas,
        "cpuPercent": target.cpu_percent,
        "resources": resources,
    }


def _templated(text: str) -> str:
    """Marks become expressions."""
    for field, mark in {**_NUMBERS, **_TEXTS}.items():
        quoted = " | quote" if field in _TEXTS else ""
        expression = f"{{{{ .Values.{_NAMES[field]}{quoted} }}}}"
        text = re.sub(rf"(?<=: ){mark}$", expression, text, flags=re.MULTILINE)
    return text.replace("image: marked/image", "image: {{ .Values.image | quote }}")


def _dump(value: dict[str, Any]) -> bytes:
    text: str = yaml.safe_dump(value, sort_keys=False, width=100)
    return text.encode()
