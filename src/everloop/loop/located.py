"""Where a model that was made elsewhere lies: here, in this project, or at an MLflow server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from everloop.errors import NotFound, TooLarge, invalid
from everloop.loop.project import Project
from everloop.registry.names import Reference, parse_reference
from everloop.tracking.artifacts.paths import check_path, key_of
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.moving.client import MlflowServer
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.places import PROXIED, Places, Tree, below_proxy
from everloop.tracking.moving.records import MovedFile
from everloop.tracking.moving.sources.rest import ProxiedTree

FETCHED = ("models:/", "runs:/")
MOST_FILES = 10_000
MOST_BYTES = 2 << 30
EXPECTED = "a file or folder that is there, models:/NAME/3, models:/NAME@ALIAS or runs:/ID/PATH"


@contextmanager
def located(
    project: Project, source: str, server: str = "", fence: Fence | None = None
) -> Iterator[Path]:
    """The file or folder that ``source`` names; what is fetched is gone after the block.

    ``server`` : the MLflow that ``models:/`` and ``runs:/`` are of; this project without. ``fence``
    keeps those within who are not at this machine: without one, paths of this machine are read.
    """
    if not source.startswith(FETCHED):
        yield _local(source, fence)
        return
    with tempfile.TemporaryDirectory(dir=project.state, prefix=".brought-") as folder:
        place = Path(folder) / "model"
        if server:
            client = MlflowServer(server, fence)
            try:
                _fetch(_remote(client, source, fence), place, source)
            finally:
                client.close()
        else:
            _fetch(_StoredTree(project.artifacts, _own(project, source)), place, source)
        yield _single(place)


def _local(source: str, fence: Fence | None) -> Path:
    if fence is not None:  # first, so that nobody learns what is there
        fence.check("source", source)
    path = Path(source)
    if "://" in source or not path.exists():
        raise invalid("source", source, EXPECTED, code="no_such_model")
    return path


def _fetch(tree: Tree | None, place: Path, source: str) -> None:
    place.mkdir()
    files = list(tree.files()) if tree is not None else []
    if not files:
        raise NotFound(f"source: {source!r} holds no files.", path="source", got=source)
    if len(files) > MOST_FILES:
        raise TooLarge(f"source: {source!r} holds {len(files):,} files, at most {MOST_FILES:,}.")
    left = MOST_BYTES
    assert tree is not None
    for file in files:
        parts = PurePosixPath(file.path).parts
        if not parts or ".." in parts or parts[0] == "/" or "\\" in file.path:
            raise invalid("source", file.path, "plain names of files")
        target = place / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            for piece in tree.read(file.path):
                left -= len(piece)
                if left < 0:
                    raise TooLarge(f"source: {source!r} holds more than {MOST_BYTES:,} bytes.")
                out.write(piece)


def _single(place: Path) -> Path:
    """A folder of one file alone stands for the file."""
    found = list(place.iterdir())
    return found[0] if len(found) == 1 and found[0].is_file() else place


# -- at an MLflow server -------------------------------------------------------------------------


def _remote(client: MlflowServer, source: str, fence: Fence | None) -> Tree | None:
    if source.startswith("runs:/"):
        return _remote_run(client, source, fence)
    name = source.removeprefix("models:/")
    if name.startswith("m-"):
        return _remote_logged(client, name, fence)
    reference = parse_reference(name)
    asked = {"name": reference.model, "version": _remote_version(client, reference)}
    found = client.ask("GET", "model-versions/get-download-uri", asked)["artifact_uri"]
    if str(found).startswith("models:/m-"):
        return _remote_logged(client, str(found).removeprefix("models:/"), fence)
    return _open(client, str(found), fence)


def _remote_version(client: MlflowServer, reference: Reference) -> str:
    if reference.version is not None:
        return str(reference.version)
    if reference.alias not in (None, "latest"):
        asked = {"name": reference.model, "alias": reference.alias}
        found = client.ask("GET", "registered-models/alias", asked)["model_version"]
        return str(found["version"])
    versions = [int(v["version"]) for v in client.versions(reference.model, prompt=False)]
    if not versions:
        raise NotFound(f"source: the model {reference.model!r} has no version.", path="source")
    return str(max(versions))


def _remote_logged(client: MlflowServer, model: str, fence: Fence | None) -> Tree | None:
    found: dict[str, Any] = client.ask("GET", f"logged-models/{model}", {})["model"]
    return _open(client, str(found["info"]["artifact_uri"]), fence)


def _remote_run(client: MlflowServer, source: str, fence: Fence | None) -> Tree | None:
    run, path = _run_and_path(source)
    info = client.ask("GET", "runs/get", {"run_id": run})["run"]["info"]
    tree = _open(client, f"{info['artifact_uri'].rstrip('/')}/{path}", fence)
    if tree is not None and next(iter(tree.files()), None) is not None:
        return tree
    # MLflow 3 keeps a model beside the run's own artifacts, under its name.
    asked = {
        "experiment_ids": [info["experiment_id"]],
        "filter": f"source_run_id = '{run}' AND name = '{path}'",
    }
    for one in client.pages("POST", "logged-models/search", asked, "models"):
        return _open(client, str(one["info"]["artifact_uri"]), fence)
    return tree


def _open(client: MlflowServer, location: str, fence: Fence | None) -> Tree | None:
    if location.startswith(PROXIED + ":"):
        return ProxiedTree(client, below_proxy(location))
    return Places(None, None, fence).open(location)


def _run_and_path(source: str) -> tuple[str, str]:
    run, _, path = source.removeprefix("runs:/").strip("/").partition("/")
    if not run.isalnum() or not path or "'" in path:
        raise invalid("source", source, "runs:/ID/PATH")
    return run, check_path(path)


# -- in this project -----------------------------------------------------------------------------


class _StoredTree:
    """What lies below a key of the project's own artifacts, or is it."""

    def __init__(self, store: ArtifactStore, key: str) -> None:
        self.store, self.key = store, key

    def files(self) -> Iterator[MovedFile]:
        found = [e for e in self.store.walk(self.key) if not e.is_dir]
        for entry in found:
            yield MovedFile(entry.path.removeprefix(self.key + "/"), entry.size or 0)
        if not found:
            name = self.key.rpartition("/")[2]
            yield MovedFile(name, self.store.file(self.key).size or 0)

    def read(self, path: str) -> Iterator[bytes]:
        inside = f"{self.key}/{path}"
        known = any(e.path == inside for e in self.store.walk(self.key))
        return self.store.read(inside if known else self.key)


def _own(project: Project, source: str) -> str:
    """The key of the artifacts that a URI means here."""
    if source.startswith("runs:/"):
        run, path = _run_and_path(source)
        found = project.runs.get(run)
        key = f"{key_of(found.location)}/{path}"
        if next(iter(project.artifacts.walk(key)), None) is None:
            filter = f"source_run_id = '{run}' AND name = '{path}'"
            for logged in project.logged_models.search([found.experiment_id], filter).items:
                return key_of(logged.location)
        return key
    name = source.removeprefix("models:/")
    if name.startswith("m-"):
        return key_of(project.logged_models.get(name).location)
    version = project.registry.resolve(name)
    place = version.location or version.source or ""
    if place.startswith("models:/m-"):
        return key_of(project.logged_models.get(place.removeprefix("models:/")).location)
    if not place:
        raise invalid("source", source, "a version that is not a package of everloop already")
    return key_of(place)
