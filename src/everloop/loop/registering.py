"""Bring a model that was made elsewhere into the registry, as a package that is served."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from everloop.data.conform import conform
from everloop.data.encode import encode
from everloop.data.pinned import read_schema
from everloop.data.schema import Schema
from everloop.data.sources import read_table
from everloop.deploy.attribution import BACKGROUND, background_rows
from everloop.deploy.package import MODEL, Package, read_package
from everloop.deploy.packaging import store_package, write_package
from everloop.deploy.predictor import Predictor
from everloop.errors import EverloopError, Forbidden, invalid
from everloop.loop.foreign import How
from everloop.loop.located import located
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion
from everloop.registry.names import check_model_name
from everloop.store.clock import now_ms
from everloop.tracking.moving.fence import Fence
from everloop.train.foreign._base import Brought, Hints, not_servable
from everloop.train.foreign.reading import read_model

SOURCE = "everloop.registered_from"
"""The tag that says where a version came from."""


def register(source: str | Path, name: str, *, dir: Path | str = ".", **how: Any) -> ModelVersion:
    """Make a model that was made elsewhere a version of ``name``; returns that.

    Parameters
    ----------
    source : a file ``.onnx``, ``.lgb`` or ``.txt`` (LightGBM) or ``.skops``; an MLflow model's
        folder; ``models:/NAME/3``, ``models:/NAME@ALIAS`` or ``runs:/ID/PATH``.
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
        brought = read_model(path, hints_of(how, fence), allowed)
    files = {MODEL: brought.onnx, **_background(project, brought.schema, how, fence)}
    version = _kept(project, name, brought, files, actor)
    project.registry.set_version_tag(name, version.version, SOURCE, source[:500], actor)
    return version


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
    rows = conform(read_table(how.data, project.dir), schema)
    return {BACKGROUND: background_rows(encode(rows, schema))}


def _kept(
    project: Project, name: str, brought: Brought, files: Mapping[str, bytes], actor: str
) -> ModelVersion:
    told = msgspec.json.encode((brought.schema, brought.algorithm, sorted(files)))
    contents = [hashlib.sha256(files[path]).digest() for path in sorted(files)]
    key = "registered:" + hashlib.sha256(told + b"".join(contents)).hexdigest()
    package = Package(
        model=name,
        task=brought.schema.task,
        algorithm=brought.algorithm,
        schema=brought.schema,
        created=now_ms(),
    )
    with tempfile.TemporaryDirectory(dir=project.state) as parent:
        folder = Path(parent) / "package"
        digest = write_package(folder, package, files, project.keys)
        _check_answers(folder, project)
        stored = store_package(folder, project.blobs)
    return project.registry.register(
        name, key=key, digest=digest, algorithm=brought.algorithm, files=stored, actor=actor
    )


def _check_answers(folder: Path, project: Project) -> None:
    """It loads and answers as the data plane will ask it."""
    try:
        Predictor(folder, read_package(folder, project.keys)).warm_up(rows=2)
    except EverloopError as error:
        raise not_servable("model", error.message, "one that answers rows of its schema") from None
    except Exception as error:  # onnxruntime raises bare types of its own
        reason = str(error).strip().splitlines()[0][:200]
        raise not_servable("model", reason, "one that answers missing values") from None
