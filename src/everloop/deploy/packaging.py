"""Make model packages, keep them in the blob store, and bring them back."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import tomli_w

from everloop.deploy.package import (
    MANIFEST,
    SIGNATURE,
    Package,
    PackageFile,
    check_file_name,
    read_manifest,
    read_package,
    to_toml_values,
)
from everloop.errors import Conflict, Integrity, NotFound
from everloop.registry.signing import Keys
from everloop.replacing import sync
from everloop.store.blobs import Blobs


def write_package(folder: Path, package: Package, files: Mapping[str, bytes], keys: Keys) -> str:
    """Write a signed package to ``folder`` and return its digest.

    ``package.files`` is filled in from ``files`` (path in the package -> contents). The folder
    appears whole or not at all. Writing the same package again changes nothing; another package
    in its place raises :class:`~everloop.errors.Conflict`.
    """
    listed = {}
    for path in sorted(files):
        check_file_name(path)
        data = files[path]
        listed[path] = PackageFile(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    package = msgspec.structs.replace(package, files=listed)
    manifest = tomli_w.dumps(to_toml_values(package), multiline_strings=False).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    if folder.exists():
        if hashlib.sha256(read_manifest(folder)).hexdigest() != digest:
            raise Conflict(f"{folder} holds another package already.", path=str(folder))
        read_package(folder, keys)
        return digest
    with _fresh_folder(folder) as fresh:
        for path, data in files.items():
            _write(fresh / path, data)
        _write(fresh / MANIFEST, manifest)
        _write(fresh / SIGNATURE, keys.sign(manifest).encode())
    return digest


def store_package(folder: Path, blobs: Blobs) -> dict[str, str]:
    """Put every file of a package into the blob store; returns ``{path: sha256 of the blob}``."""
    package = read_package(folder, None)
    return {path: blobs.put_file(folder / path) for path in (*package.files, MANIFEST, SIGNATURE)}


def materialise(files: Mapping[str, str], blobs: Blobs, cache: Path, digest: str) -> Path:
    """Bring a stored package to ``cache/<digest>`` and return that folder.

    Idempotent, also with several processes at once: the folder appears whole and verified, or not
    at all. A damaged copy is fetched again. Raises :class:`~everloop.errors.Integrity` when the
    blobs are not that package.
    """
    folder = cache / digest
    if _is_whole(folder, digest):
        return folder
    if files.get(MANIFEST) != digest:
        raise Integrity(
            f"{MANIFEST} of the package has another digest than the version's.",
            got=files.get(MANIFEST), expected=digest,
        )  # fmt: skip
    for path in files.keys() - {MANIFEST, SIGNATURE}:
        check_file_name(path)
    with _fresh_folder(folder) as fresh:
        for path, blob in files.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            blobs.fetch(blob, target)
        read_package(fresh, None)
    return folder


def _is_whole(folder: Path, digest: str) -> bool:
    """Whether the package is there; what is there and is not it goes away."""
    try:
        if hashlib.sha256(read_manifest(folder)).hexdigest() == digest:
            read_package(folder, None)
            return True
    except NotFound:
        return False
    except Integrity:
        pass
    damaged = folder.with_name(f".{folder.name[:100]}.damaged.{os.urandom(4).hex()}")
    folder.rename(damaged)
    shutil.rmtree(damaged, ignore_errors=True)
    return False


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name[:100]}.{os.getpid()}.{os.urandom(4).hex()}")
    fresh.mkdir()
    try:
        yield fresh
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same contents
                raise
        sync(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    sync(path)
