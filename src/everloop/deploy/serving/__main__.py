"""``python -m everloop.deploy.serving``: a data-plane process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tomllib
from pathlib import Path
from typing import Any

try:
    from uvloop import new_event_loop
except ImportError:  # there is none for Windows
    from asyncio import new_event_loop

from everloop.deploy.serving.lines import JsonLines
from everloop.deploy.serving.server import Options, serve
from everloop.durations import seconds
from everloop.errors import EverloopError, InvalidInput, invalid
from everloop.settings import load_settings, state_dir


def options(arguments: list[str]) -> Options:
    """The command line and the settings as :class:`Options`. Raises InvalidInput."""
    parser = argparse.ArgumentParser(
        prog="python -m everloop.deploy.serving", description="Answer predictions over HTTP."
    )
    parser.add_argument("--dir", type=Path, default=Path(), help="the project's folder")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind")
    parser.add_argument("--port", type=int, default=5051, help="the port to bind")
    parser.add_argument("--grpc-port", type=int, help="serve gRPC too, on this port")
    parser.add_argument("--state", type=Path, help="the file of the desired state to follow")
    parser.add_argument("--follow", default="", help="the control plane on another machine")
    parser.add_argument("--log", type=Path, help="the folder of the prediction log")
    parser.add_argument(
        "--watch-stdin", action="store_true", help="end when standard input is closed"
    )
    parser.add_argument("--json", action="store_true", help="print the ready line as JSON")
    given = parser.parse_args(arguments)
    if not given.dir.is_dir():
        raise invalid("--dir", str(given.dir), "a folder that exists")
    settings = load_settings(_settings_section(given.dir / "everloop.toml"))
    return Options(
        state=state_dir(given.dir).absolute(),
        host=given.host,
        port=given.port,
        grpc_port=given.grpc_port if given.grpc_port is not None else settings.grpc_port or None,
        desired=given.state,
        token=settings.token,
        open_network=settings.access == "network",
        log=given.log,
        follow=given.follow,
        fsync=settings.log_fsync,  # type: ignore[arg-type]
        segment_bytes=int(settings.log_segment_mb * 1e6),
        segment_age=seconds(settings.log_segment_age, "settings.log_segment_age"),
        log_bytes=int(settings.log_max_mb * 1e6),
        max_body=int(settings.max_body_mb * 1e6),
        memory=int(settings.serve_memory_mb * 1e6),
        lines=JsonLines(sys.stderr.buffer) if settings.log_format == "json" else None,
        watch_stdin=given.watch_stdin,
        as_json=given.json,
    )


def main(arguments: list[str] | None = None) -> int:
    """Serve; 0 after a clean end, 2 for what the caller can mend."""
    lines = None
    try:
        given = options(sys.argv[1:] if arguments is None else arguments)
        lines = given.lines
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s",
            handlers=None if lines is None else [lines],
        )  # fmt: skip
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve(given))
    except EverloopError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    finally:
        if lines is not None:
            lines.stop()
    return 0


def _settings_section(path: Path) -> dict[str, Any]:
    try:
        section = tomllib.loads(path.read_text("utf-8")).get("settings", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path.name} is not valid TOML: {error}.", path=str(path)) from None
    if not isinstance(section, dict):
        raise InvalidInput(f"{path.name}: settings must be a table.", path="settings")
    return section


if __name__ == "__main__":
    sys.exit(main())
