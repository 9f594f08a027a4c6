"""What MLflow refuses of the registry's names, numbers and tags, in its words."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from everloop.errors import NotFound
from everloop.registry.names import LATEST, MODEL_NAME, VERSION_ALIAS
from everloop.registry.records import PROMPT_TEXT, TAG_KEY, TEXT
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import check_key, check_unambiguous
from everloop.tracking.mlflow_api.decode import Tag
from everloop.tracking.mlflow_api.errors import MISSING, WireError, refuse, too_long

T = TypeVar("T")
ALIAS = 255

_ALIAS = re.compile(r"[\w\-]*")


def check_model_name(name: str, parameter: str = "name") -> None:
    """Refuses a name that no model may have."""
    if not name.strip():
        raise refuse(f"Missing value for required parameter '{parameter}'.")
    if "/" in name or ":" in name:
        raise refuse(f"Invalid model name '{name[:300]}'. Names cannot contain '/' or ':'.")
    check_unambiguous(name, "name")
    if len(name) > MODEL_NAME:
        raise too_long("name", MODEL_NAME)


def version_number(text: str, model: str) -> int:
    """A version as a number."""
    try:
        number = int(text)
    except ValueError:
        raise refuse(f"Parameter 'version' must be an integer, got '{text[:100]}'.") from None
    if not 0 < number < 2**31:
        raise no_version(model, text[:100])
    return number


def no_version(model: str, version: str | int) -> WireError:
    """The refusal of a version that is not there."""
    return refuse(f"Model Version (name={model}, version={version}) not found", MISSING)


def of_version(handler: Callable[[Api, Any], T]) -> Callable[[Api, Any], T]:
    """A handler of a version, which is missing just the same when its model is."""

    @functools.wraps(handler)
    def handle(api: Api, message: Any) -> T:
        try:
            return handler(api, message)
        except NotFound as error:
            if error.code != "model_not_found":
                raise
            raise no_version(message.name, message.version) from None

    return handle


def check_alias(alias: str) -> None:
    """Refuses what can be no alias."""
    if not alias:
        raise refuse("Registered model alias name cannot be empty.")
    if not _ALIAS.fullmatch(alias):
        raise refuse(
            f"Invalid alias name: '{alias[:300]}'. Names may only contain alphanumerics,"
            " underscores (_), and dashes (-)."
        )
    if len(alias) > ALIAS:
        raise too_long("Registered model alias name", ALIAS)


def check_free_alias(alias: str) -> None:
    """Refuses what can be no alias, and those that mean something already."""
    check_alias(alias)
    if alias.lower() == LATEST:
        raise refuse("'latest' alias name (case insensitive) is reserved.")
    if VERSION_ALIAS.fullmatch(alias):
        raise refuse(f"Version alias name '{alias}' is reserved.")


def check_tags(tags: Sequence[Tag]) -> dict[str, str]:
    """Refuses tags that cannot be kept; gives them by key, of which the last one counts."""
    for tag in tags:
        check_key(tag.key, "key")
        if len(tag.key) > TAG_KEY:
            raise too_long("key", TAG_KEY)
        if len(tag.value) > TEXT and tag.key == PROMPT_TEXT:
            raise refuse(f"Prompt text exceeds max length of {TEXT} characters.")
        if len(tag.value) > TEXT:
            raise too_long("value", TEXT)
    return {tag.key: tag.value for tag in tags}


def check_description(description: str | None) -> None:
    """Refuses a description that is too long."""
    if description and len(description) > TEXT:
        raise too_long("description", TEXT)
