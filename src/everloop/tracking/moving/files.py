"""Files on their way into the artifact store: hashed as they are read, stored when that is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from everloop.errors import Conflict, InvalidInput
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.moving.places import Tree
from everloop.tracking.moving.records import MovedFile


class Copied(msgspec.Struct, frozen=True):
    """A file as it was read: ``refused`` says why it could not be stored."""

    path: str
    size: int
    digest: str
    refused: str = ""


def copy_tree(tree: Tree, store: ArtifactStore, folder: str, *, always: bool) -> Iterator[Copied]:
    """Copy all files of ``tree`` below ``folder``.

    A file that is there with the same content is not written again. It is read to tell so; unless
    ``always`` is set the same size is enough.
    """
    here = {entry.path: entry for entry in store.walk(folder)}
    for file in tree.files():
        path = f"{folder}/{file.path}"
        there = here.get(path)
        same = there is not None and file.size is not None and there.size == file.size
        if there is not None and same and not always:
            yield Copied(file.path, there.size or 0, there.digest or "")
            continue
        if there is not None and same:
            read = _hashed(tree, file)
            if read.digest == there.digest:
                yield read
                continue
        yield _store(tree, file, store, path)


def _store(tree: Tree, file: MovedFile, store: ArtifactStore, path: str) -> Copied:
    try:
        entry = store.put_stream(path, tree.read(file.path))
    except (InvalidInput, Conflict) as error:
        return msgspec.structs.replace(_hashed(tree, file), refused=error.message)
    return Copied(file.path, entry.size or 0, entry.digest or "")


def _hashed(tree: Tree, file: MovedFile) -> Copied:
    found, size = hashlib.sha256(), 0
    for piece in tree.read(file.path):
        found.update(piece)
        size += len(piece)
    return Copied(file.path, size, found.hexdigest())
