"""The software bill of materials: CycloneDX 1.6 in JSON, of libraries, code and models.

https://cyclonedx.org/docs/1.6/json/ - the serial number and the time follow from the content, so
that the same export is the same file.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import distribution
from typing import Any

import msgspec

from everloop.deploy.export.target import Served
from everloop.version import __version__


def bill(served: Served, libraries: Mapping[str, str]) -> bytes:
    """The document for one endpoint and the libraries its image installs."""
    models = [_model(served, digest) for digest in served.packages]
    digests = "".join(sorted(served.packages))
    created = max(package.created for package in served.described.values())
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digests + str(libraries))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(created / 1000, UTC).isoformat(timespec="seconds"),
            "component": {"type": "application", "name": served.name, "bom-ref": "endpoint"},
        },
        "components": [
            _library("everloop", __version__, "Apache-2.0"),
            *(_library(name, version, _license(name)) for name, version in libraries.items()),
            *models,
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _library(name: str, version: str, license: str | None) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    found: dict[str, Any] = {
        "type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl,
    }  # fmt: skip
    if license:
        found["licenses"] = [{"license": {"name": license}}]
    return found


def _license(name: str) -> str | None:
    about: Any = distribution(name).metadata
    classified = [c for c in about.get_all("Classifier") or () if c.startswith("License :: ")]
    said = about.get("License-Expression") or about.get("License")
    if said and "\n" not in said:
        return str(said)
    return classified[0].rpartition(" :: ")[2] if classified else None


def _model(served: Served, digest: str) -> dict[str, Any]:
    package = served.described[digest]
    version = next(str(arm.version) for arm in served.arms if arm.digest == digest)
    return {
        "type": "machine-learning-model",
        "name": package.model,
        "version": version,
        "bom-ref": f"model:{digest}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "description": f"{package.algorithm}, {package.task}",
    }
