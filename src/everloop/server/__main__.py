"""``python -m everloop.server``: the control plane as one process, API, console and controller."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from everloop.memory import importing

with importing():
    from starlette.types import ASGIApp

    from everloop.deploy.serving.lines import JsonLines
    from everloop.errors import EverloopError
    from everloop.loop.executors._process import WorkerProcess
    from everloop.loop.mover import Mover
    from everloop.loop.project import Project
    from everloop.registry.webhooks.courier import Courier
    from everloop.server.app import create_app
    from everloop.server.bind import check_bind, claim_port, reachable
    from everloop.server.child import EXIT_AWAY, EXIT_REFUSED
    from everloop.server.control import Control
    from everloop.server.lifeline import watch_stdin
    from everloop.server.listener import Listener, listening
    from everloop.server.live import Live
    from everloop.settings import Settings

log = logging.getLogger("everloop.server")

OUTAGES = ("database_unavailable", "blobs_unavailable")
GARBAGE = 10_000
"""New objects between two looks of the garbage collector; a request makes some hundred."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, Ctrl-C or the end of standard input; 2 when it may not start."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        return run(options)
    except EverloopError as error:
        print(error.message, file=sys.stderr, flush=True)
        return EXIT_AWAY if error.code in OUTAGES else EXIT_REFUSED


def run(options: argparse.Namespace) -> int:
    """Open the project, serve, start the controller, and stop both in turn."""
    with Project.open(options.dir) as project, _lines(project.settings) as lines:
        settings = project.settings
        check_bind(options.host, settings.token)
        port = claim_port(options.host, options.port, "--port")
        serve_url = f"http://{reachable(options.host)}:{options.serve_port}"
        project.blobs.sweep()
        live = Live()
        app = create_app(
            project,
            live=live,
            lines=lines,
            token=settings.token,
            host=options.host,
            serve_url=serve_url,
            max_body_mb=settings.max_body_mb,
            max_artifact_mb=settings.max_artifact_mb,
        )
        windows = WorkerProcess(project.dir, "windows")
        project.windows_elsewhere = lambda loop: windows.ask(
            {"windows": loop}, f"windows of {loop}"
        )
        control = None if options.no_controller else Control(project)
        couriers = [Courier(project.webhooks), project.alerts.courier()]
        for courier in couriers:
            courier.start()
        movers = [Mover(project), Mover(project, ["predict"]), Mover(project, ["backtest"])]
        for mover in movers:
            mover.start()
        try:
            asyncio.run(serve(app, options.host, port, options.watch_stdin, control, live))
        finally:
            for courier in couriers:
                courier.stop()
            for mover in movers:
                mover.stop()
            if control is not None:
                control.stop()
            windows.close()
    return 0


@contextmanager
def _lines(settings: Settings) -> Iterator[JsonLines | None]:
    """The log as JSON while this lasts, where the settings want it."""
    if settings.log_format != "json":
        yield None
        return
    lines = JsonLines(sys.stderr.buffer)
    logging.basicConfig(level=logging.INFO, handlers=[lines], force=True)
    try:
        yield lines
    finally:
        lines.stop()


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    watch: bool = False,
    control: Control | None = None,
    live: Live | None = None,
) -> None:
    """Answer requests until told to stop; those under way are finished first."""
    address = "127.0.0.1" if host == "localhost" else host.strip("[]")
    server = Listener(app, address, port)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if live is not None:  # its streams would not come to an end by themselves
            live.close()
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if watch:
        watch_stdin(lambda: loop.is_closed() or loop.call_soon_threadsafe(stop))
    log.info("control plane at http://%s:%s", host, port)
    # What is loaded stays, so the collector need not walk over it, nor look around at every turn.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)
    serving = asyncio.create_task(server.serve())
    await listening(server, serving)  # before the controller's imports begin
    if control is not None:
        control.start()
    await serving


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m everloop.server")
    parser.add_argument("--dir", type=Path, default=Path(), help="the project's folder")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind")
    parser.add_argument("--port", type=int, default=5050, help="the port to bind")
    parser.add_argument("--serve-port", type=int, default=5051, help="the data plane's port")
    parser.add_argument("--no-controller", action="store_true", help="run no cycles here")
    parser.add_argument("--watch-stdin", action="store_true", help="end with standard input")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # A step that was cut off holds its thread on purpose, so that it records nothing; an ordinary
    # exit would wait for it.
    os._exit(code)
