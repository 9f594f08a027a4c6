"""Code of one's own as a package: ``model.py``, a folder with one, or a trusted MLflow model.

It runs in a process of its own with limits (:mod:`everloop.deploy.runtimes.python`). A pickle runs
code too; so a folder that holds one is let in only when a named key of the project has signed the
folder's hash.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from everloop.data.schema import Schema
from everloop.deploy.package import Trust
from everloop.deploy.runtimes.python import CODE
from everloop.errors import Forbidden, TooLarge, invalid
from everloop.registry.signing import Keys
from everloop.train.foreign._base import LARGEST, Hints, not_servable, numbers
from everloop.train.foreign.mlflow import MLMODEL

MODEL_PY = "model.py"
OWN_KEY = "signing"
MOST_FILES = 1_000
_LEFT_OUT = ("__pycache__", ".git", ".venv")


def is_code(path: Path) -> bool:
    """Whether a source is Python: a file ``.py``, or a folder with ``model.py`` that MLflow did
    not write."""
    if path.is_file():
        return path.suffix == ".py"
    return (path / MODEL_PY).is_file() and not (path / MLMODEL).exists()


def code_files(path: Path) -> dict[str, bytes]:
    """The files of the code as the package keeps them; ``model.py`` is the one that is asked."""
    if path.is_file():
        return {f"{CODE}/{MODEL_PY}": _bounded([path])[0]}
    found = []
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        if any(part in _LEFT_OUT or part.startswith(".") for part in parts):
            continue
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise invalid("model", "/".join(parts), "plain files, no links", code="not_plain")
        if file.is_file():
            found.append(file)
    contents = _bounded(found)
    names = [f"{CODE}/{file.relative_to(path).as_posix()}" for file in found]
    return dict(zip(names, contents, strict=True))


def schema_of(hints: Hints) -> Schema:
    """What the code takes and gives, which nobody but a person knows."""
    if hints.schema is not None:
        return hints.schema
    if not hints.features:
        raise not_servable(
            "schema", "none", "the columns of the model",
            "Say --features a,b,c when all are numbers, else --schema FILE.",
        )  # fmt: skip
    task = hints.task or ("regression" if not hints.classes else None)
    if task is None:
        task = "binary" if len(hints.classes) == 2 else "multiclass"
    return Schema(
        features=numbers(hints.features), target=hints.target, task=task, classes=hints.classes
    )


def folder_digest(files: dict[str, bytes]) -> str:
    """The hash of a folder: of the names and hashes of its files, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(files):
        found.update(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n".encode())
    return found.hexdigest()


def trusted(files: dict[str, bytes], key: str, folder: Path, source: Path) -> Trust:
    """The signature of a folder's hash by a key that the project names.

    ``signing`` is the project's own key, which signs now. Any other is the file
    ``trusted/KEY.pub`` of the project's keys, in ``folder``; its signature of the hash lies beside
    the model as ``SOURCE.sig``. Raises :class:`~everloop.errors.Forbidden` when there is none.
    """
    digest = folder_digest(files)
    if key == OWN_KEY:
        return Trust(key, digest, Keys.load(folder).sign(digest.encode()))
    public = folder / "trusted" / f"{key}.pub"
    if not key.isidentifier() or not public.is_file():
        raise invalid("trust", key, f"{OWN_KEY}, or the name of a .pub file in keys/trusted")
    beside = source.with_name(source.name + ".sig")
    signature = beside.read_text("ascii", "replace").strip()[:1024] if beside.is_file() else ""
    if not Keys.named(public).verify(digest.encode(), signature):
        raise Forbidden(
            f"trust: {beside.name} holds no signature by {key!r} of {digest}.",
            code="not_trusted", path="trust", got=signature[:64] or "no file",
            fix=f"Let the owner of {key!r} look at the folder and sign that hash: "
            "Project.open().keys.sign(hash.encode()).",
        )  # fmt: skip
    return Trust(key, digest, signature)


def _bounded(files: list[Path]) -> list[bytes]:
    size = sum(file.stat().st_size for file in files)
    if len(files) > MOST_FILES or size > LARGEST:
        raise TooLarge(
            f"model: got {len(files):,} files of {size:,} bytes, expected at most {MOST_FILES:,} "
            f"of {LARGEST:,}.", path="model", got=size,
        )  # fmt: skip
    return [file.read_bytes() for file in files]
