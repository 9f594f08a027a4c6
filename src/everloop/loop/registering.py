"""Bring a model that was made elsewhere into the registry, as a package that is served."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from everloop.data.conform import conform
from everloop.data.encode import encode
from everloop.data.pinned import read_schema
from everloop.data.schema import Schema
from everloop.data.sources import read_table
from everloop.deploy.attribution import BACKGROUND, background_rows
from everloop.deploy.package import MODEL, Limits, Package, read_package
from everloop.deploy.packaging import store_package, write_package
from everloop.deploy.runtimes import load_runtime
from everloop.deploy.runtimes.graph import GRAPH
from everloop.deploy.runtimes.python import PYTHON
from everloop.errors import Forbidden, InvalidInput, invalid
from everloop.loop.evaluating import REFERENCE
from everloop.loop.foreign import How
from everloop.loop.graphs import graph_of
from everloop.loop.located import FETCHED, located
from everloop.loop.own_code import code_files, is_code, schema_of, trusted
from everloop.loop.project import Project
from everloop.monitor.profile import profile
from everloop.registry.models import ModelVersion
from everloop.registry.names import check_model_name
from everloop.store.clock import now_ms
from everloop.tracking.moving.fence import Fence
from everloop.train.foreign._base import Hints
from everloop.train.foreign.mlflow import read_mlmodel, with_signature
from everloop.train.foreign.reading import read_model

SOURCE = "everloop.registered_from"
"""The tag that says where a version came from."""


def register(source: str | Path, name: str, *, dir: Path | str = ".", **how: Any) -> ModelVersion:
    """Make a model that was made elsewhere a version of ``name``; returns that.

    Parameters
    ----------
    source : a file ``.onnx``, ``.lgb`` or ``.txt`` (LightGBM), ``.skops`` or ``.safetensors``; an
        MLflow model's folder; ``models:/NAME/3``, ``models:/NAME@ALIAS`` or ``runs:/ID/PATH``; code
        of your own, ``model.py`` with ``predict(rows)`` or a folder with one; a graph of models in
        ``.toml``.
    name : of the registered model; made when it is new.
    dir : the project's folder.
    how : the fields of :class:`How`.

    It is converted to the one form that is served, and compared with the original where that can
    be asked. Nothing in it is unpickled. The same model again is the same version.

    Raises :class:`~everloop.errors.InvalidInput` for what cannot be served, and
    :class:`~everloop.errors.Forbidden` for a pickle and for types that are not allowed.
    """
    try:
        told = msgspec.convert(how, How)
    except msgspec.ValidationError as error:
        raise invalid("how", how, f"the fields of How ({error})") from None
    with Project.open(dir) as project:
        return registered(project, str(source), name, told, actor="python")


def registered(
    project: Project,
    source: str,
    name: str,
    how: How,
    *,
    actor: str,
    fence: Fence | None = None,
) -> ModelVersion:
    """The same in an open project. ``fence`` is for those who are not at this machine."""
    check_model_name(name, "name")
    if fence is not None and how.server:
        fence.check("server", how.server)
    if fence is not None and how.allow:
        raise Forbidden(
            f"allow: got {', '.join(how.allow)[:200]}, expected nothing over HTTP.",
            code="types_not_allowed", path="allow",
            fix="Name them in the setting skops_types, or register on the machine itself.",
        )  # fmt: skip
    types = project.settings.skops_types.split(",")
    allowed = {named.strip() for named in (*types, *how.allow)} - {""}
    with located(project, source, how.server, fence) as path:
        # What was fetched is somebody else's: it is never taken for the caller's own code.
        own = not source.startswith(FETCHED) and is_code(path)
        made = _made(project, path, name, how, allowed, fence, own)
    schema = made.package.schema
    files = {**made.files, **_background(project, schema, how, fence)}
    version = _kept(project, made.package, files, actor)
    project.registry.set_version_tag(name, version.version, SOURCE, source[:500], actor)
    return version


class _Made(NamedTuple):
    """A package that is still to be written, and its files."""

    package: Package
    files: dict[str, bytes]


def _made(
    project: Project,
    path: Path,
    name: str,
    how: How,
    allowed: set[str],
    fence: Fence | None,
    own: bool,
) -> _Made:
    hints = hints_of(how, fence)
    if path.suffix == ".toml":
        schema, files = graph_of(project, path)
        package = _package(name, schema, GRAPH)
        return _Made(msgspec.structs.replace(package, runtime=GRAPH), files)
    if not own and how.trust is None:
        brought = read_model(path, hints, allowed)
        package = _package(name, brought.schema, brought.algorithm)
        return _Made(package, {MODEL: brought.onnx})
    if fence is not None:
        raise Forbidden(
            "source: got code of one's own, expected a model that is no code over HTTP.",
            code="code_over_http", path="source", fix="Register it on the machine itself.",
        )  # fmt: skip
    files = code_files(path)
    if not own:
        hints = with_signature(hints, read_mlmodel(path).get("signature"))
    limits = Limits("model:predict" if own else "mlflow", how.memory_mb, how.seconds, how.seconds)
    trust = None
    if how.trust is not None:
        trust = trusted(files, how.trust, project.state / "keys", Path(path).resolve())
    package = _package(name, schema_of(hints), PYTHON if own else "mlflow")
    package = msgspec.structs.replace(package, runtime=PYTHON, limits=limits, trust=trust)
    return _Made(package, files)


def _package(name: str, schema: Schema, algorithm: str) -> Package:
    return Package(
        model=name, task=schema.task, algorithm=algorithm, schema=schema, created=now_ms()
    )


def hints_of(how: How, fence: Fence | None = None) -> Hints:
    """What a person said, for those who read the model."""
    schema = how.schema
    if isinstance(schema, str):
        if fence is not None:
            fence.check("schema", schema)
        schema = read_schema(Path(schema))
    try:
        values = {n: getattr(how, n) for n in ("features", "target", "task", "classes", "output")}
        return msgspec.convert({**values, "schema": schema, "logits": how.logits}, Hints)
    except msgspec.ValidationError as error:
        raise invalid("how", how.task, f"a task of a schema ({error})") from None


def _background(
    project: Project, schema: Schema, how: How, fence: Fence | None
) -> dict[str, bytes]:
    if how.data is None:
        return {}
    if fence is not None:
        fence.check("data", how.data)
    table = read_table(how.data, project.dir)
    # The model says what it reads; what else its training rows had is not of this schema.
    rows = conform(table, schema, ignore=table.columns)
    return {
        BACKGROUND: background_rows(encode(rows, schema)),
        REFERENCE: profile(rows, schema).to_json(),
    }


def _kept(
    project: Project, package: Package, files: Mapping[str, bytes], actor: str
) -> ModelVersion:
    same = msgspec.structs.replace(package, created=0, trust=None)
    told = msgspec.json.encode((same, sorted(files)))
    contents = [hashlib.sha256(files[path]).digest() for path in sorted(files)]
    key = "registered:" + hashlib.sha256(told + b"".join(contents)).hexdigest()
    name, algorithm = package.model, package.algorithm
    with tempfile.TemporaryDirectory(dir=project.state) as parent:
        folder = Path(parent) / "package"
        digest = write_package(folder, package, files, project.keys)
        _check_answers(folder, project)
        stored = store_package(folder, project.blobs)
    return project.registry.register(
        name, key=key, digest=digest, algorithm=algorithm, files=stored, actor=actor
    )


def _check_answers(folder: Path, project: Project) -> None:
    """It loads and answers as the data plane will ask it."""
    try:
        load_runtime(folder, read_package(folder, project.keys)).warm_up(rows=2)
    except Exception as error:  # onnxruntime raises bare types of its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:500]
        raise InvalidInput(
            f"model: it does not answer rows of its schema: {reason.rstrip('.')}.",
            code="not_servable", path="model",
        ) from None  # fmt: skip
