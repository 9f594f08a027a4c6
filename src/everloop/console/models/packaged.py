"""What a version's package says of itself, read without bringing the package here."""

from __future__ import annotations

from typing import Literal

import msgspec

from everloop.data.schema import Schema
from everloop.deploy.package import MANIFEST, SIGNATURE, PackageFile, parse_manifest
from everloop.errors import EverloopError
from everloop.loop.project import Project
from everloop.registry.records import ModelVersion

State = Literal["verified", "unsigned", "unknown signer", "damaged", "no package"]


class Signature(msgspec.Struct, frozen=True):
    """``state`` in a word or two; ``signer`` is the public key, ``own`` whether it is ours."""

    state: State
    signer: str | None = None
    own: bool = False
    said: str = ""


class Packaged(msgspec.Struct, frozen=True):
    """What is in the package; nothing of it where it cannot be read."""

    signature: Signature
    files: dict[str, PackageFile] = {}
    schema: Schema | None = None
    runtime: str = ""


def read_packaged(project: Project, version: ModelVersion) -> Packaged:
    """The description and the signature of a version's package, and whether they hold.

    Files are kept by their sha256, so a description that holds vouches for them: what serves
    checks each file again.
    """
    if version.digest is None:
        return Packaged(Signature("no package", said="It is known by its source only."))
    try:
        manifest = project.blobs.get(version.files.get(MANIFEST, version.digest))
        found = parse_manifest(manifest)
    except EverloopError as error:
        return Packaged(Signature("damaged", said=error.message))
    others = [p for p, file in found.files.items() if version.files.get(p) != file.sha256]
    packaged = Packaged(
        _signature(project, version, manifest), found.files, found.schema, found.runtime
    )
    if version.files.get(MANIFEST) != version.digest or others:
        said = f"Its files are not those of {MANIFEST}: {', '.join(others[:5]) or MANIFEST}."
        return msgspec.structs.replace(packaged, signature=Signature("damaged", said=said))
    return packaged


def _signature(project: Project, version: ModelVersion, manifest: bytes) -> Signature:
    digest = version.files.get(SIGNATURE)
    if digest is None:
        return Signature("unsigned", said=f"It has no {SIGNATURE}, and nothing serves it.")
    try:
        text = project.blobs.get(digest)[:1024].decode("ascii", "replace").strip()
    except EverloopError as error:
        return Signature("damaged", said=error.message)
    signer = project.keys.signer(manifest, text)
    if signer is None:
        return Signature("unknown signer", said="Its signature is by none of the trusted keys.")
    own = project.keys.can_sign and signer == project.keys.public
    return Signature("verified", signer, own)
