"""Docker Compose: one service, hardened as under Kubernetes."""

from __future__ import annotations

from typing import Any

import yaml

from everloop.deploy.export.context import LOG
from everloop.deploy.export.target import Target


def compose(target: Target) -> dict[str, bytes]:
    """``compose.yaml`` beside the context that ``everloop export docker`` wrote."""
    ports = [f"127.0.0.1:{target.port}:{target.port}"]
    environment = {"PORT": str(target.port)}
    if target.grpc_port:
        ports.append(f"127.0.0.1:{target.grpc_port}:{target.grpc_port}")
        environment["EVERLOOP_GRPC_PORT"] = str(target.grpc_port)
    if target.access == "network":
        environment["EVERLOOP_ACCESS"] = "network"
    else:
        # Compose stops with this sentence when the variable is not set.
        environment["EVERLOOP_TOKEN"] = "${EVERLOOP_TOKEN:?set a token that callers must send}"
    service: dict[str, Any] = {
        "build": ".",
        "image": target.image or f"{target.name}:1",
        "ports": ports,
        "environment": environment,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "volumes": [f"prediction-log:{LOG}"],
        "mem_limit": target.memory_limit.replace("i", "").lower(),
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
    }
    document = {"services": {target.name: service}, "volumes": {"prediction-log": {}}}
    return {"compose.yaml": yaml.safe_dump(document, sort_keys=False, width=100).encode()}
