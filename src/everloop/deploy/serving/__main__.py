"""``python -m everloop.deploy.serving``: a data-plane process, or the parent of several."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from everloop.memory import importing

with importing():
    if sys.platform == "win32":  # there is no uvloop for it
        from asyncio import new_event_loop
    else:
        from uvloop import new_event_loop

    from everloop.deploy.serving.arguments import parse, settings_of, worker_count
    from everloop.deploy.serving.group import Group
    from everloop.deploy.serving.lines import JsonLines
    from everloop.deploy.serving.server import Options, serve
    from everloop.durations import seconds
    from everloop.errors import EverloopError
    from everloop.settings import Settings, state_dir


def options(given: argparse.Namespace, settings: Settings) -> Options:
    """The command line and the settings as :class:`Options`. Raises InvalidInput."""
    group = None
    if given.group is not None:
        group = Group(given.group, *map(int, given.place.split("/")))
    return Options(
        state=state_dir(given.dir).absolute(),
        host=given.host,
        port=given.port,
        grpc_port=given.grpc_port if given.grpc_port is not None else settings.grpc_port or None,
        desired=given.state,
        token=settings.token,
        open_network=settings.access == "network",
        log=given.log,
        group=group,
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
        arguments = sys.argv[1:] if arguments is None else arguments
        said = parse(arguments)
        settings = settings_of(said.dir)
        if said.group is None and worker_count(said.workers, settings) > 1:
            parent = [sys.executable, "-m", "everloop.deploy.serving.workers", *arguments]
            os.execv(sys.executable, parent)  # it needs nothing of what is imported here
        given = options(said, settings)
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


if __name__ == "__main__":
    sys.exit(main())
