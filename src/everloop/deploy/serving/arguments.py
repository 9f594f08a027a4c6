"""The command line and the settings of a data plane, for one process or for several."""

from __future__ import annotations

import argparse
import os
import tomllib
from pathlib import Path
from typing import Any

from everloop.errors import InvalidInput, invalid
from everloop.settings import Settings, check_workers, load_settings

MOST_WORKERS = 256


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line. Raises InvalidInput for a folder that is not there."""
    parser = argparse.ArgumentParser(
        prog="python -m everloop.deploy.serving", description="Answer predictions over HTTP."
    )
    parser.add_argument("--dir", type=Path, default=Path(), help="the project's folder")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind")
    parser.add_argument("--port", type=int, default=5051, help="the port to bind")
    parser.add_argument("--grpc-port", type=int, help="serve gRPC too, on this port")
    parser.add_argument("--workers", default="", help='how many processes; "auto" is one per core')
    parser.add_argument("--state", type=Path, help="the file of the desired state to follow")
    parser.add_argument("--follow", default="", help="the control plane on another machine")
    parser.add_argument("--log", type=Path, help="the folder of the prediction log")
    parser.add_argument(
        "--watch-stdin", action="store_true", help="end when standard input is closed"
    )
    parser.add_argument("--json", action="store_true", help="print the ready line as JSON")
    # Of a worker, by its parent: its slot, their number and the socket that they share.
    parser.add_argument("--group", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--place", default="", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if not given.dir.is_dir():
        raise invalid("--dir", str(given.dir), "a folder that exists")
    return given


def settings_of(folder: Path) -> Settings:
    """The settings in a project's file and in the environment. Raises InvalidInput."""
    return load_settings(_section(folder / "everloop.toml"))


def worker_count(given: str, settings: Settings) -> int:
    """How many processes: what the command line says, else the settings. Raises InvalidInput."""
    said = check_workers(given, "--workers") if given else settings.serve_workers
    if said != "auto":
        return int(said)
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def _section(path: Path) -> dict[str, Any]:
    try:
        section = tomllib.loads(path.read_text("utf-8")).get("settings", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path.name} is not valid TOML: {error}.", path=str(path)) from None
    if not isinstance(section, dict):
        raise InvalidInput(f"{path.name}: settings must be a table.", path="settings")
    return section
