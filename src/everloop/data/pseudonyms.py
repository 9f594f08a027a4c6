"""Keyed hashes of values that are not to be told: alike values stay alike, and cannot be guessed.

BLAKE2b with a key (J.-P. Aumasson and others, "BLAKE2: simpler, smaller, fast as MD5", 2013; RFC
7693). Without the key nobody can tell a hash's value by trying likely ones; with another project's
key the same value has another hash. Only the standard library and msgspec are
imported here: the data plane hashes before it writes.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

PURPOSE = b"everloop prediction log 1"
"""What the key is derived for."""

MASK = "***"

_json = msgspec.json.Encoder(enc_hook=str)


def pseudonym(value: Any, key: bytes) -> str | None:
    """32 hexadecimal digits for a value; None for a missing one.

    A number and its text are one value, as a category's levels are.

    >>> pseudonym(7, b"k") == pseudonym("7", b"k") == pseudonym(7.0, b"k")
    True
    """
    if value is None:
        return None
    return hashlib.blake2b(as_level(value).encode(), digest_size=16, key=key).hexdigest()


def as_level(value: Any) -> str:
    """The text that a category calls the value by."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _json.encode(value).decode()
