"""``python -m everloop.loop.control``: a controller alone, without a server.

Several of them, and those of ``everloop up``, share a database. It writes a line when it is ready,
one for each verdict, and every minute one that says how it fares.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from everloop.memory import importing

with importing():
    import msgspec

    from everloop.errors import EverloopError, NotFound, did_you_mean
    from everloop.loop.controller import Controller
    from everloop.loop.executors._process import WorkerProcess
    from everloop.loop.project import Project
    from everloop.registry.webhooks.courier import Courier

HEALTH_SECONDS = 60.0
REFUSED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run cycles until SIGTERM or Ctrl-C; returns 0 then, and 2 when it may not start."""
    parser = argparse.ArgumentParser(prog="everloop control")
    parser.add_argument("--dir", type=Path, default=Path())
    parser.add_argument("--loop", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        with Project.open(options.dir) as project:
            return run(project, frozenset(options.loop) or None, options.json, over)
    except EverloopError as error:
        if options.json:
            print(msgspec.json.encode({"error": error.to_dict()}).decode(), flush=True)
        print(f"everloop: {error.message}", file=sys.stderr, flush=True)
        return REFUSED


def run(
    project: Project, loops: frozenset[str] | None, as_json: bool, over: threading.Event
) -> int:
    """Run the cycles of a project's loops until ``over`` is set."""
    project.sync_file()
    check_loops(project, loops)
    windows = WorkerProcess(project.dir, "windows")
    project.windows_elsewhere = lambda loop: windows.ask({"windows": loop}, f"windows of {loop}")
    controller = Controller(project, loops=loops)
    said = Said(as_json)
    couriers = [Courier(project.webhooks), project.alerts.courier()]
    try:
        controller.start(said.report)
        for courier in couriers:
            courier.start()
        said.line("ready", f"is ready: {_loops(project, loops)}", holder=controller.holder)
        while not over.wait(HEALTH_SECONDS):
            said.health(controller)
    finally:
        for courier in couriers:
            courier.stop()
        controller.stop()
        windows.close()
    said.line("stopped", "has stopped; what was under way goes on elsewhere, or with the next one")
    return 0


def check_loops(project: Project, loops: frozenset[str] | None) -> None:
    """Refuse the name of a loop that is not there."""
    known = project.cycles.loop_names()
    for name in sorted(loops or ()):
        if name not in known:
            raise NotFound(
                f"--loop: got {name!r}, expected one of {', '.join(known) or 'none'}.",
                path="--loop", got=name, fix=did_you_mean(name, known),
            )  # fmt: skip


class Said:
    """What it says on standard output: sentences, or a line of JSON each."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, what: str, sentence: str, **facts: Any) -> None:
        told = {what: True, **facts}
        text = (
            msgspec.json.encode(told).decode() if self.as_json else f"everloop control {sentence}."
        )
        print(text, flush=True)

    def report(self, stage: str, facts: dict[str, Any]) -> None:
        """Tell each verdict."""
        if stage == "cycle":
            self.line("cycle", f"{facts['verdict']}: {facts['reason'].rstrip('.')}", **facts)

    def health(self, controller: Controller) -> None:
        """Say how many cycles are under way, here and in all, and how fast the database is."""
        began = time.monotonic()
        try:
            under_way = len(controller.project.cycles.unfinished("running"))
        except EverloopError as error:
            self.line("health", f"waits: {error.message.rstrip('.')}", error=error.to_dict())
            return
        took, here = (time.monotonic() - began) * 1000, controller.engine.held.count
        sentence = (
            f"runs {here} of {under_way} cycles under way; the database answers in {took:.0f} ms"
        )
        self.line("health", sentence, here=here, under_way=under_way, database_ms=round(took, 1))


def _loops(project: Project, loops: frozenset[str] | None) -> str:
    names = sorted(loops or project.cycles.loop_names())
    return "it runs the cycles of " + (", ".join(names) if names else "whatever loops will come")


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    os._exit(code)  # a step that was cut off holds its thread on purpose
