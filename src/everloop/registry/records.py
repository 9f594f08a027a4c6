"""What the registry hands out, and how it is kept in a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from everloop.errors import invalid
from everloop.registry.names import check_name

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model.

    Attributes
    ----------
    key : what the caller made it under; registering the same key again gives this version.
    digest : sha256 of its package's ``package.toml``, which names all other files by theirs.
    files : digest of the blob of each file of the package, by path.
    run, dataset, cycle : what it came from.
    metrics : on the held-out part; a value that was not a finite number is NaN.
    """

    model: str
    version: int
    key: str
    digest: str
    algorithm: str
    run: str | None
    dataset: str | None
    cycle: str | None
    metrics: dict[str, float]
    files: dict[str, str]
    created: int

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


class Model(msgspec.Struct, frozen=True):
    """A registered model and the number of its newest version."""

    name: str
    created: int
    newest: int


def from_row(row: Any) -> ModelVersion:
    """The version that a row of ``model_versions`` holds."""
    values = dict(row._mapping)
    values["files"] = msgspec.json.decode(row.files)
    metrics = msgspec.json.decode(row.metrics, type=dict[str, float | None])
    values["metrics"] = {
        name: float("nan") if value is None else value for name, value in metrics.items()
    }
    return ModelVersion(**values)


def to_row(version: ModelVersion) -> dict[str, Any]:
    """The row of ``model_versions`` for a version.

    Raises :class:`~everloop.errors.InvalidInput` for a name, digest or path that cannot be kept.
    """
    check_name("model", version.model)
    _text("key", version.key, 255)
    _text("algorithm", version.algorithm, 255)
    for name, limit in (("run", 32), ("dataset", 64), ("cycle", 64)):
        if getattr(version, name) is not None:
            _text(name, getattr(version, name), limit)
    _digest("digest", version.digest)
    row = {name: getattr(version, name) for name in version.__struct_fields__}
    row["metrics"] = msgspec.json.encode(version.metrics, order="sorted").decode()
    row["files"] = msgspec.json.encode(_files(version.files), order="sorted").decode()
    return row


def _text(field: str, value: str, limit: int) -> None:
    if not 0 < len(value) <= limit or "\0" in value:
        raise invalid(field, value, f"1 to {limit} characters")


def _digest(field: str, value: str) -> None:
    if not _DIGEST.fullmatch(value):
        raise invalid(field, value, "64 lower-case hexadecimal digits")


def _files(files: Mapping[str, str]) -> dict[str, str]:
    for path, digest in files.items():
        parts = path.split("/")
        if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise invalid("files", path, "a path inside the package, such as model.onnx")
        _digest(f"files.{path}", digest)
    return dict(files)
