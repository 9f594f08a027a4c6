"""Which loop a verb is about: one of this folder, or one of the server that the settings name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from everloop.loop.declaration import FILE_NAME, load_file
from everloop.loop.loop import Loop, loop_of
from everloop.loop.project import Project
from everloop.settings import Settings, load_settings

if TYPE_CHECKING:
    from everloop.loop.remote import RemoteLoop, Server

AnyLoop: TypeAlias = "Loop | RemoteLoop"


@contextmanager
def opened(folder: Path, name: str | None) -> Iterator[tuple[AnyLoop, Project | None]]:
    """The loop called ``name`` (or the only one), and its project when it lies in ``folder``."""
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            yield server.loop(name), None
    else:
        with Project.open(folder) as project:
            yield loop_of(project, name), project


@contextmanager
def connected(settings: Settings) -> Iterator[Server]:
    """The control plane that ``EVERLOOP_SERVER`` names."""
    # What speaks HTTP is for those who have a server elsewhere.
    remote = importlib.import_module("everloop.loop.remote")
    server: Server = remote.Server(settings.server, settings.token)
    try:
        yield server
    finally:
        server.close()


def settings_of(folder: Path) -> Settings:
    """The settings of a folder's loop file, if there is one, and of the environment."""
    file = folder / FILE_NAME
    return load_file(file).settings if file.exists() else load_settings()
