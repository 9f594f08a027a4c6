"""Where a model version may be said to come from.

Whoever loads a version reads what its source names. So a path of the machine is accepted only
below the artifacts of the run or the logged model that is named with it, and no URI may climb out
of its own place, however it is encoded. The server itself opens none of them.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import NoReturn, Protocol
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

from everloop.errors import NotFound
from everloop.registry.models import ModelStore
from everloop.registry.names import LATEST
from everloop.registry.records import ModelVersion, is_prompt
from everloop.tracking.logged_models import LoggedModelStore
from everloop.tracking.mlflow_api.errors import refuse
from everloop.tracking.mlflow_api.registry_checks import check_alias, check_model_name
from everloop.tracking.mlflow_api.registry_checks import version_number as _version_number
from everloop.tracking.records import LoggedModel
from everloop.tracking.runs import RunStore

PROMPT_SOURCES = ("dummy-source", "prompt-template")
"""What clients send as the source of a prompt, which has none."""

_LOCAL_HOSTS = (".", "localhost", "127.0.0.1")
_ENCODINGS = 10  # deep; whoever encodes once more means no good


class Stores(Protocol):
    """Where runs, logged models and versions are looked up: an Api, or a project."""

    @property
    def runs(self) -> RunStore: ...
    @property
    def logged_models(self) -> LoggedModelStore: ...
    @property
    def registry(self) -> ModelStore: ...


@dataclass(frozen=True)
class Origin:
    """A version's source, where its files are if not there, and the run and model behind it."""

    source: str
    location: str | None
    run: str | None
    model: str | None


def origin(stores: Stores, source: str, run: str | None, model: str | None) -> Origin:
    """The origin of a version; refuses a source that may not be."""
    parts = _split(source)
    if parts.scheme == "models":
        return _from_registry(stores, source, parts, run, model)
    run, model = run or None, model or None
    if _is_local(source, parts):
        _check_local(stores, source, run, model)
    else:
        check_no_climbing(source)
    if model is not None:
        return Origin(source, None, run or _logged(stores, source, model).run, model)
    return Origin(source, None, run, None)


def check_prompt_source(source: str) -> None:
    """Refuses a prompt that comes from somewhere."""
    if source not in PROMPT_SOURCES:
        raise refuse(
            f"Invalid prompt source: '{source[:300]}'. Prompt sources must use an MLflow"
            " placeholder."
        )


def check_no_climbing(source: str) -> None:
    """Refuses a URI that leads out of its place, when it is decoded as often as it can be."""
    plain = source
    for _ in range(_ENCODINGS):
        if (decoded := unquote_plus(plain)) == plain:
            break
        plain = decoded
    else:
        raise _relative(source)
    path = re.sub(r"/+", "/", _split(plain).path.rstrip("/"))
    if "\0" in plain or "\\" in plain or ".." in plain.split("/"):
        raise _relative(source)
    if path and (posixpath.normpath(path) != path or not path.startswith("/")):
        raise _relative(source)


def _from_registry(
    stores: Stores, source: str, parts: SplitResult, run: str | None, model: str | None
) -> Origin:
    """``models:/name/3``, ``models:/name@alias``, ``models:/name/Staging``, ``models:/m-…``."""
    if parts.netloc:
        raise refuse(
            f"Invalid model version source: '{source[:300]}'. Registered model sources must use"
            " the active model registry."
        )
    check_no_climbing(source)
    name, slash, suffix = source.partition(":")[2].strip("/").partition("/")
    if not slash and "@" not in name:
        return _from_logged_model(stores, source, name, run, model)
    found = _registered(stores, source, name, suffix)
    if (run is not None and (run or None) != found.run) or (
        model is not None and (model or None) != found.logged_model
    ):
        raise refuse(
            f"Invalid model version source: '{source[:300]}'. The run_id and model_id request"
            " parameters must match the referenced model version."
        )
    place = found.location or found.source
    return Origin(f"models:/{found}", place, found.run, found.logged_model)


def _registered(stores: Stores, source: str, name: str, suffix: str) -> ModelVersion:
    name = unquote(name)
    if suffix == "":
        name, _, alias = name.rpartition("@")
        check_model_name(name)
        check_alias(alias)
        found = stores.registry.by_alias(name, alias)
    elif suffix.isascii() and suffix.isdigit():
        check_model_name(name)
        found = stores.registry.version(name, _version_number(suffix, name))
    else:
        check_model_name(name)
        stages = [] if suffix.lower() == LATEST else [suffix]
        stores.registry.get_model(name)
        newest = stores.registry.latest_versions([name], stages)[name]
        if not newest:
            _refuse_source(source, "model_id")
        found = max(newest, key=lambda version: version.version)
    if is_prompt(stores.registry.get_model(name).tags):
        raise refuse(
            f"Invalid model version source: '{source[:300]}'. Prompt versions cannot be used as"
            " model version sources."
        )
    return found


def _from_logged_model(
    stores: Stores, source: str, id: str, run: str | None, model: str | None
) -> Origin:
    if not id or (model and model != id):
        _refuse_source(source, "model_id")
    found = _logged(stores, source, id)
    return Origin(source, found.location, run or found.run, id)


def _logged(stores: Stores, source: str, id: str) -> LoggedModel:
    try:
        return stores.logged_models.get(id)
    except NotFound:
        _refuse_source(source, "model_id")


def _check_local(stores: Stores, source: str, run: str | None, model: str | None) -> None:
    """Refuses a path that is not below the artifacts of what is named with it."""
    root = None
    try:
        if model is not None:
            root = stores.logged_models.get(model).location
        elif run is not None:
            root = stores.runs.get(run).location
    except NotFound:
        _refuse_source(source, "run_id" if model is None else "model_id")
    if root is not None and _is_local(root, _split(root)):
        inside, outside = _path(source), _path(root)
        if inside == outside or inside.startswith(outside.rstrip("/") + "/"):
            return
    name = "run_id" if model is None else "model_id"
    raise refuse(
        f"Invalid model version source: '{source[:300]}'. To use a local path as a model version"
        f" source, the {name} request parameter has to be specified and the local path has to be"
        f" contained within the artifact directory of the run specified by the {name}."
    )


def _is_local(source: str, parts: SplitResult) -> bool:
    if parts.scheme == "":
        return True
    if parts.scheme != "file":
        return False
    if parts.hostname and not parts.hostname.startswith(_LOCAL_HOSTS):
        raise refuse(
            f"{source[:300]} is not a valid remote uri. For remote access on windows, please"
            " consider using a different scheme such as SMB (e.g. smb://<hostname>/<path>)."
        )
    return True


def _path(source: str) -> str:
    """A local source as a path, without what leads up and down again."""
    parts = _split(source)
    path = unquote(parts.path) if parts.scheme else source
    return posixpath.normpath(path) if path.startswith("/") else ""


def _split(source: str) -> SplitResult:
    try:
        parts = urlsplit(source)
        parts.hostname  # noqa: B018  (reading it is what finds a bad one)
    except ValueError:
        raise refuse(f"Invalid model version source: '{source[:300]}'.") from None
    return parts


def _relative(source: str) -> Exception:
    return refuse(
        f"Invalid model version source: '{source[:300]}'. If supplying a source as an http, https,"
        " local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be"
        " provided without relative path references present. Please provide an absolute path."
    )


def _refuse_source(source: str, parameter: str) -> NoReturn:
    raise refuse(
        f"Invalid model version source: '{source[:300]}'. The {parameter} request parameter must"
        " identify the resource that contains the source."
    )
