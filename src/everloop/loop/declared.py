"""A loop's declaration as people read it: as a loop file, and what changed between two."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import tomli_w

from everloop.errors import EverloopError
from everloop.loop.declaration import Declaration, from_dict, to_dict
from everloop.passwords import without_passwords

MOST = 50  # changes that are told


def declared_text(declaration: Declaration) -> str:
    """The loop file without what has its default, and without passwords of addresses."""
    sections = {
        field.name: _plain(getattr(declaration, field.name))
        for field in msgspec.structs.fields(declaration)
    }
    told = {name: values for name, values in sections.items() if values}
    return without_passwords(tomli_w.dumps(told))


def _plain(section: msgspec.Struct) -> dict[str, Any]:
    """What was said, as TOML can hold it."""
    out: dict[str, Any] = {}
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        if value is None or (not field.required and value == _default(field)):
            continue
        said = _plain(value) if isinstance(value, msgspec.Struct) else msgspec.to_builtins(value)
        out[field.name] = _without_none(said)
    return out


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_without_none(one) for one in value if one is not None]
    return value


def changes(before: dict[str, Any], after: Declaration) -> list[str]:
    """What another declaration says otherwise, a key each: ``update.cooldown: 7d → 14d``."""
    with suppress(EverloopError):  # of an everloop that knew other keys
        before = to_dict(from_dict(before).declaration)
    old, new = _flat(_as_json(before)), _flat(_as_json(to_dict(after)))
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return [f"{key}: {_said(old.get(key))} → {_said(new.get(key))}" for key in keys[:MOST]]


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """The same without tuples."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(values))
    return plain


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def _said(value: Any) -> str:
    if value is None or value in ({}, [], ""):
        return "nothing"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = without_passwords(text)
    return text if len(text) <= 200 else text[:199] + "…"
