"""Names of artifacts: which are refused, and how one is found from a URI.

The key of an artifact is what follows ``mlflow-artifacts:/``, as ``0/RUN/artifacts/model/MLmodel``.
It names a row and never a file, so no key leads out of the store; but clients write what they list
to their own disks, so a name that would lead astray there is refused here.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, urlsplit, urlunsplit

from everloop.errors import InvalidInput, NotFound, invalid

MAX_PATH = 1500
"""Bytes of a path in UTF-8."""

MAX_NAME = 255
"""Bytes of one name between slashes, in UTF-8."""

SCHEME = "mlflow-artifacts"
_DECODINGS = 10
_CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories; half surrogates among them
_DRIVE = re.compile(r"[A-Za-z]:|file:", re.IGNORECASE)
_EXPECTED = 'names between "/", none of them ".", ".." or empty, without "\\", "#" or control codes'


def check_path(path: str) -> str:
    """The path, when it is a plain relative one.

    Refused with :class:`~everloop.errors.InvalidInput` (code ``invalid_path``): what leads up
    (``..``), is absolute or has empty names, holds ``\\``, ``#``, NUL or another control
    character, begins a name with a drive's letter, is too long - and what would become one of
    these when it is decoded (``%2e%2e``), however often.
    """
    if not path.isprintable() and any(
        unicodedata.category(character) in _CONTROLS for character in path
    ):
        raise _refused(path, _EXPECTED)
    for text in _decodings(path):
        _check(text, path)
    if len(path.encode()) > MAX_PATH:
        raise _refused(path, f"a path of at most {MAX_PATH} bytes")
    if any(len(name.encode()) > MAX_NAME for name in path.split("/")):
        raise _refused(path, f"names of at most {MAX_NAME} bytes")
    return path


def check_folder(path: str) -> str:
    """As :func:`check_path`; "" is the folder of everything."""
    return check_path(path) if path else path


def decoded(path: str) -> str:
    """The path with every ``%20`` and its like decoded, until none is left.

    MLflow's server decodes a path once more than HTTP does, so its clients' names hold no such
    sequence. Raises :class:`~everloop.errors.InvalidInput` for one that goes on for ever.
    """
    return _decodings(path)[-1]


def key_of(location: str) -> str:
    """The key of the place that a URI names, "" for the root.

    Raises :class:`~everloop.errors.NotFound` (code ``artifacts_elsewhere``) for a place that is
    not this server's.
    """
    parts = urlsplit(location)
    if parts.scheme != SCHEME:
        raise NotFound(
            f"The artifacts at {location} are not kept by this server; clients read them there.",
            code="artifacts_elsewhere",
            got=location,
            expected=f"{SCHEME}:/…",
        )
    return check_folder("/".join(name for name in parts.path.split("/") if name not in ("", ".")))


def join(*keys: str) -> str:
    """Keys one below the other; empty ones are left out."""
    return "/".join(key for key in keys if key)


def below(location: str, *names: str) -> str:
    """The place below another one; what a URI asks for after ``?`` stays at its end."""
    parts = urlsplit(location)
    if not parts.scheme or not parts.query:
        return "/".join((location.rstrip("/"), *names))
    return urlunsplit(parts._replace(path="/".join((parts.path.rstrip("/"), *names))))


def _decodings(path: str) -> list[str]:
    found = [path]
    for _ in range(_DECODINGS):
        text = unquote(found[-1], errors="surrogateescape")
        if text == found[-1]:
            return found
        found.append(text)
    raise _refused(path, "a path that is not encoded again and again")


def _check(text: str, path: str) -> None:
    names = text.split("/")
    if any(character in text for character in "\\#\0"):
        raise _refused(path, _EXPECTED)
    if any(name in ("", ".", "..") for name in names):
        raise _refused(path, _EXPECTED)
    if any(_DRIVE.match(name) for name in names):
        raise _refused(path, "names that do not begin with a drive's letter")


def _refused(path: str, expected: str) -> InvalidInput:
    return invalid("path", path, expected, code="invalid_path")
