"""Addresses as logs, pages and messages may show them: what is secret in them is hidden."""

from __future__ import annotations

import re

HIDDEN = "***"
_WORDS = "password|passwd|secret|token|key"
# The user's part ends at the last @ before a slash: a password may hold an @ that nobody encoded.
_SECRET = re.compile(
    rf"(?P<user>://[^\s/@:\"']*:)(?P<password>[^\s/\"']+)@"
    rf"|(?P<name>[?&;]\w*(?:{_WORDS})=)(?P<value>[^&;\s\"']+)",
    re.IGNORECASE,
)

_USER = re.compile(r"(?<=:)//[^\s/\"']+@")


def without_passwords(text: str) -> str:
    """``text`` with the passwords of the addresses in it, and secrets of their queries, hidden."""
    return _SECRET.sub(_hidden, text)


def without_users(text: str) -> str:
    """The same without users' names, which are keys in the address of an object store."""
    return without_passwords(_USER.sub(f"//{HIDDEN}@", text))


def passwords(text: str) -> list[str]:
    """What :func:`without_passwords` would hide."""
    return [match["password"] or match["value"] for match in _SECRET.finditer(text)]


def _hidden(match: re.Match[str]) -> str:
    return f"{match['user']}{HIDDEN}@" if match["user"] else f"{match['name']}{HIDDEN}"
