"""Where a run goes: to the server that is named, or into the stores of a folder."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from everloop.errors import InvalidInput
from everloop.settings import Settings, load_settings, state_dir
from everloop.tracking.client._base import Target
from everloop.tracking.client.remote import ServerTarget

FILE = "everloop.toml"


@dataclass(frozen=True)
class Place:
    """A target with the folder of its write-ahead files."""

    folder: Path
    settings: Settings
    server: str
    outboxes: Path

    def target(self) -> Target:
        """A new connection to the place."""
        if self.server:
            return ServerTarget(self.server, self.settings.token)
        # A script that logs to a server need not load a database.
        from everloop.tracking.client.local import LocalTarget  # noqa: PLC0415

        return LocalTarget(self.folder, self.settings)


def place_of(folder: Path | str = ".", server: str | None = None) -> Place:
    """The place that the arguments, the environment and the folder's file name, in this order."""
    path = Path(folder).resolve()
    settings = _settings(path)
    address = (settings.server if server is None else server).rstrip("/")
    if address and not (path / FILE).exists() and not state_dir(path).exists():
        return Place(path, settings, address, _user_state() / "outbox")
    return Place(path, settings, address, state_dir(path) / "outbox")


def _settings(folder: Path) -> Settings:
    try:
        section = tomllib.loads((folder / FILE).read_text("utf-8")).get("settings")
    except FileNotFoundError:
        section = None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{folder / FILE}: {error}.", path=FILE) from None
    return load_settings(section if isinstance(section, dict) else None)


def _user_state() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "everloop"
