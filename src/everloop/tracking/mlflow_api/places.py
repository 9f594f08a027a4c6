"""Where artifacts may be said to lie."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from everloop.tracking.mlflow_api.errors import refuse

LONGEST = 2048


def check_location(location: str, field: str = "artifact_location") -> str:
    """A location that was given, made absolute when it is a path of this machine."""
    try:
        parts = urlsplit(location)
    except ValueError:
        raise refuse(f"'{field}' is not a valid URL.") from None
    if parts.fragment or ";" in parts.path.rpartition("/")[2]:
        raise refuse(f"'{field}' URL can't include fragments or params.")
    if ".." in _decoded(parts.query):
        raise refuse("Invalid query string")
    if location.startswith("runs:"):
        raise refuse(f"Artifact location cannot be a runs:/ URI. Given: '{location}'")
    place = _absolute(location)
    if len(place) > LONGEST:
        raise refuse(
            "Invalid artifact path length. The length of the artifact path cannot be greater than"
            f" {LONGEST} characters. To configure this limit, please set the"
            " MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH environment variable."
        )
    return place


def _absolute(location: str) -> str:
    parts = urlsplit(location)
    if parts.scheme == "":
        return location if location.startswith("/") else Path.cwd().joinpath(location).as_posix()
    if parts.scheme == "file" and not parts.netloc and not parts.path.startswith("/"):
        path = Path.cwd().joinpath(unquote(parts.path)).as_posix()
        return urlunsplit(("file", "", path, parts.query, ""))
    return location


def _decoded(text: str) -> str:
    for _ in range(10):
        plain = unquote(text)
        if plain == text:
            return plain
        text = plain
    return ".."  # still encoded after ten times: nobody means well
