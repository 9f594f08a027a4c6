"""The model package: a signed folder that says everything about a model and holds it.

``package.toml`` describes the model and lists every other file with its sha256 and size;
``package.sig`` is the Ed25519 signature of ``package.toml``'s bytes in hex. The sha256 of
``package.toml`` names the package. Nothing in a package is ever unpickled or imported.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from everloop.data.schema import Schema, Task
from everloop.errors import Integrity, NotFound
from everloop.registry.signing import Keys

FORMAT = 1
MANIFEST = "package.toml"
SIGNATURE = "package.sig"
MODEL = "model.onnx"
TESTED = "tested"  # the folder of a model that was tested, where another one is served
ONNX = "onnx"
MAX_MANIFEST = 16 << 20


class PackageFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of the package must be."""

    sha256: str
    size: int


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What code of one's own may take: memory, time and processor time of a call.

    ``entry`` is ``module:function``, or ``mlflow`` for a model of MLflow.
    """

    entry: str
    memory_mb: int = 2048
    seconds: float = 10.0
    cpu_seconds: float = 10.0


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who vouched for files that run code: the signature of their hash by a named key."""

    key: str
    digest: str
    signature: str


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The contents of ``package.toml``. ``created`` is in ms UTC, ``model`` the registered name.

    ``runtime`` names what answers: see :mod:`everloop.deploy.runtimes`. ``parent`` is the version
    (``model/3``) that the model was made from, where it was not fitted from nothing.
    """

    format: int = FORMAT
    model: str
    task: Task
    algorithm: str
    created: int
    schema: Schema
    runtime: str = ONNX
    limits: Limits | None = None
    trust: Trust | None = None
    run: str | None = None
    dataset: str | None = None
    parent: str | None = None
    metrics: dict[str, float] = {}
    files: dict[str, PackageFile] = {}


def read_package(folder: Path, keys: Keys | None) -> Package:
    """Verify a package folder and return its description.

    Checks the signature (``keys`` None leaves that out), that each listed file is there with its
    size and hash, and that nothing else is. Raises :class:`~everloop.errors.NotFound` when there
    is no package and :class:`~everloop.errors.Integrity` when it is not what was signed.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if keys is not None:
        _check_signature(folder, manifest, keys)
    package = parse_manifest(manifest, folder.name)
    found = _inventory(folder)
    for path in sorted(found.keys() - package.files.keys() - {MANIFEST, SIGNATURE}):
        raise Integrity(f"{folder.name}: file {path!r} is not listed in {MANIFEST}.", path=path)
    for path, expected in package.files.items():
        if path not in found:
            raise Integrity(f"{folder.name}: file {path!r} is missing.", path=path)
        _check_file(found[path], path, expected)
    return package


def read_manifest(folder: Path) -> bytes:
    """The bytes of ``package.toml``, which the digest and the signature are of."""
    path = folder / MANIFEST
    if folder.is_symlink() or path.is_symlink():
        raise Integrity(f"{folder.name}: symbolic links are refused in a package.", path=MANIFEST)
    try:
        if path.stat().st_size > MAX_MANIFEST:
            raise Integrity(f"{folder.name}: {MANIFEST} is beyond 16 MB.", path=MANIFEST)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{folder} holds no model package ({MANIFEST} is missing).") from None


def parse_manifest(manifest: bytes, name: str = "package") -> Package:
    """``package.toml`` as a :class:`Package`; Integrity when it is none."""
    try:
        package = msgspec.convert(tomllib.loads(manifest.decode()), Package)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Integrity(f"{name}: {MANIFEST} is not valid: {error}.", path=MANIFEST) from None
    if package.format != FORMAT:
        raise Integrity(
            f"{name}: package format {package.format}, expected {FORMAT}.",
            path="$.format", got=package.format, expected=FORMAT,
        )  # fmt: skip
    for path in package.files:
        check_file_name(path)
    return package


def check_file_name(path: str) -> None:
    """Refuse a name that could leave the folder, hide, or stand for one of the package's own."""
    parts = PurePosixPath(path).parts
    plain = path == "/".join(parts) and not path.startswith("/") and "\\" not in path
    if not plain or any(p.startswith(".") or ":" in p or not p.isprintable() for p in parts):
        raise Integrity(f"{path!r} is not a plain relative file name.", path=path)
    if path in (MANIFEST, SIGNATURE) or not parts:
        raise Integrity(f"{path!r} is a reserved name in a package.", path=path)


def to_toml_values(package: Package) -> dict[str, Any]:
    """The package as TOML can hold it: absent values are left out."""
    values: dict[str, Any] = msgspec.to_builtins(package)
    if package.runtime == ONNX:  # the default: a package is the same as before it had a name
        del values["runtime"]
    return {key: value for key, value in values.items() if value is not None}


def _check_signature(folder: Path, manifest: bytes, keys: Keys) -> None:
    path = folder / SIGNATURE
    if path.is_symlink() or not path.is_file():
        raise Integrity(f"{folder.name}: the signature {SIGNATURE} is missing.", path=SIGNATURE)
    signature = path.read_bytes()[:1024].decode("ascii", "replace").strip()
    if not keys.verify(manifest, signature):
        raise Integrity(
            f"{folder.name}: the signature of {MANIFEST} is by none of the trusted keys.",
            path=SIGNATURE,
            fix="Add the signer's .pub file to the trusted keys if you know it.",
        )


def _inventory(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise Integrity(f"{folder.name}: {relative!r} is not a plain file.", path=relative)
            if path.is_file():
                found[relative] = path
    return found


def _check_file(file: Path, path: str, expected: PackageFile) -> None:
    size = file.stat().st_size
    if size != expected.size:
        raise Integrity(
            f"{path}: got {size} bytes, expected {expected.size}.",
            path=path, got=size, expected=expected.size,
        )  # fmt: skip
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != expected.sha256:
        raise Integrity(
            f"{path}: the file's sha256 is not the one in {MANIFEST}.",
            path=path, got=digest, expected=expected.sha256,
        )  # fmt: skip


def place_of_tested(folder: Path) -> Path:
    """Where the model of a package lies that its figures are of.

    It is the one that is served, but where that was fitted on the rows that tested it too.
    """
    tested = folder / TESTED
    return tested if (tested / MODEL).is_file() else folder
