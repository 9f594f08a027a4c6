"""What a project is set to, and where each setting came from."""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from everloop.loop.declaration import FILE_NAME
from everloop.loop.project import Project
from everloop.passwords import HIDDEN, without_users
from everloop.settings import PREFIX, Settings, load_settings

Source = Literal["default", "file", "environment"]


class Setting(msgspec.Struct, frozen=True):
    """One setting as it is in force; a secret's value is hidden.

    ``source`` is where the value came from. ``next`` is what the file and the environment say by
    now, when that is another value: it counts from the next start on.
    """

    name: str
    value: str
    default: str
    source: Source
    variable: str
    about: str
    next: str | None = None


def configuration(dir: Path | str = ".") -> list[Setting]:
    """Every setting of the project in ``dir``: its value, secrets hidden, and its source."""
    with Project.open(dir) as project:
        return configured(project)


def configured(project: Project, environ: Mapping[str, str] | None = None) -> list[Setting]:
    """The same of an open project, as it was opened."""
    env = os.environ if environ is None else environ
    section = _section(project.dir / FILE_NAME)
    now, abouts = load_settings(section, env), _abouts()
    found = []
    for name in Settings.__struct_fields__:
        value, coming = getattr(project.settings, name), getattr(now, name)
        variable = PREFIX + name.upper()
        said: Source = (
            "environment" if variable in env else "file" if name in section else "default"
        )
        found.append(
            Setting(
                name,
                _shown(name, value),
                _shown(name, getattr(Settings(), name)),
                said,
                variable,
                abouts[name],
                None if value == coming else _shown(name, coming),
            )
        )
    return found


def _section(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    section: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")).get("settings", {})
    return section


def _shown(name: str, value: Any) -> str:
    """As a page may show it: no token, and no user's password in an address."""
    if name == "token":
        return HIDDEN if value else ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return without_users(text)


def _abouts() -> dict[str, str]:
    """What the docstring says of each."""
    text = inspect.cleandoc(Settings.__doc__ or "").partition("----------\n")[2]
    pairs = re.findall(r"^(\w+) : (.*?)(?=^\w+ : |\Z)", text, re.DOTALL | re.MULTILINE)
    return {name: " ".join(said.split()).replace("``", "") for name, said in pairs}
