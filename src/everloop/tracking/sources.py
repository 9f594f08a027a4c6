"""Where a model version may be said to come from.

Whoever loads a version reads what its source names. So a path of the machine is accepted only
below the artifacts of the run or the logged model that is named with it, and no URI may climb out
of its own place, however it is encoded. The server itself opens none of them.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

from everloop.errors import InvalidInput, NotFound, shorten
from everloop.registry.models import ModelStore
from everloop.registry.names import LATEST, check_model_name
from everloop.registry.records import ModelVersion, is_prompt
from everloop.tracking.logged_models import LoggedModelStore
from everloop.tracking.records import LoggedModel
from everloop.tracking.runs import RunStore

_LOCAL_HOSTS = (".", "localhost", "127.0.0.1")
_ENCODINGS = 10  # deep; whoever encodes once more means no good


class Stores(Protocol):
    """Where runs, logged models and versions are looked up, as a project has them."""

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
    """The origin of a version.

    Raises :class:`~everloop.errors.InvalidInput` for a source that may not be; its ``code`` says
    why, and its ``path`` which of ``source``, ``run`` and ``logged_model`` is wrong.
    """
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


def check_no_climbing(source: str) -> None:
    """Raises InvalidInput ``source_climbs`` for a URI that leads out of its place.

    It is decoded as often as it can be.
    """
    plain = source
    for _ in range(_ENCODINGS):
        if (decoded := unquote_plus(plain)) == plain:
            break
        plain = decoded
    else:
        raise _climbs(source)
    path = re.sub(r"/+", "/", _split(plain).path.rstrip("/"))
    if "\0" in plain or "\\" in plain or ".." in plain.split("/"):
        raise _climbs(source)
    if path and (posixpath.normpath(path) != path or not path.startswith("/")):
        raise _climbs(source)


def _from_registry(
    stores: Stores, source: str, parts: SplitResult, run: str | None, model: str | None
) -> Origin:
    """``models:/name/3``, ``models:/name@alias``, ``models:/name/Staging``, ``models:/m-…``."""
    if parts.netloc:
        raise _bad(source, "source_elsewhere", "a model of this registry, as models:/name/3")
    check_no_climbing(source)
    name, slash, suffix = source.partition(":")[2].strip("/").partition("/")
    if not slash and "@" not in name:
        return _from_logged_model(stores, source, name, run, model)
    found = _registered(stores, source, name, suffix)
    if (run is not None and (run or None) != found.run) or (
        model is not None and (model or None) != found.logged_model
    ):
        raise _bad(source, "source_differs", "the run and the logged model of that version")
    place = found.location or found.source
    return Origin(f"models:/{found}", place, found.run, found.logged_model)


def _registered(stores: Stores, source: str, name: str, suffix: str) -> ModelVersion:
    name = unquote(name)
    if suffix == "" or (suffix.isascii() and suffix.isdigit()):
        found = stores.registry.resolve(f"{name}/{suffix}" if suffix else name)
    else:
        stages = [] if suffix.lower() == LATEST else [suffix]
        stores.registry.get_model(check_model_name(name))
        newest = stores.registry.latest_versions([name], stages)[name]
        if not newest:
            raise _unknown(source, "logged_model")
        found = max(newest, key=lambda version: version.version)
    if is_prompt(stores.registry.get_model(found.model).tags):
        raise _bad(source, "source_is_prompt", "a model, no prompt")
    return found


def _from_logged_model(
    stores: Stores, source: str, id: str, run: str | None, model: str | None
) -> Origin:
    if not id or (model and model != id):
        raise _unknown(source, "logged_model")
    found = _logged(stores, source, id)
    return Origin(source, found.location, run or found.run, id)


def _logged(stores: Stores, source: str, id: str) -> LoggedModel:
    try:
        return stores.logged_models.get(id)
    except NotFound:
        raise _unknown(source, "logged_model") from None


def _check_local(stores: Stores, source: str, run: str | None, model: str | None) -> None:
    """Refuses a path that is not below the artifacts of what is named with it."""
    root, owner = None, "run" if model is None else "logged_model"
    try:
        if model is not None:
            root = stores.logged_models.get(model).location
        elif run is not None:
            root = stores.runs.get(run).location
    except NotFound:
        raise _unknown(source, owner) from None
    if root is not None and _is_local(root, _split(root)):
        inside, outside = _path(source), _path(root)
        if inside == outside or inside.startswith(outside.rstrip("/") + "/"):
            return
    expected = f"a path below the artifacts of the {owner.replace('_', ' ')} that is named with it"
    raise _bad(source, "source_not_below", expected, owner)


def _is_local(source: str, parts: SplitResult) -> bool:
    if parts.scheme == "":
        return True
    if parts.scheme != "file":
        return False
    if parts.hostname and not parts.hostname.startswith(_LOCAL_HOSTS):
        raise _bad(source, "source_on_a_host", "no file: URI of another machine, but smb://…")
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
        raise _bad(source, "bad_source", "a URI") from None
    return parts


def _climbs(source: str) -> InvalidInput:
    return _bad(source, "source_climbs", "an absolute path without . and .. in it")


def _unknown(source: str, owner: str) -> InvalidInput:
    """The refusal of a source whose run or logged model is not there."""
    expected = f"a {owner.replace('_', ' ')} that is there and holds it"
    return _bad(source, "source_unknown", expected, owner)


def _bad(source: str, code: str, expected: str, path: str = "source") -> InvalidInput:
    return InvalidInput(
        f"source: got {shorten(source)}, expected {expected}.",
        code=code,
        path=path,
        got=source[:300],
        expected=expected,
    )
