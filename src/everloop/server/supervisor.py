"""``everloop up``: a small process that starts the two planes and keeps them going.

It imports nothing heavy (no SQL, no tables, no web framework), so that its own share of the
memory is a Python interpreter's. Run it as ``python -m everloop.server.supervisor`` to shed what
the command line has imported.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import socket
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from everloop.deploy.state import read_state, state_path
from everloop.errors import EverloopError, invalid
from everloop.server.bind import check_bind, claim_port, reachable
from everloop.server.child import EXIT_AWAY, EXIT_REFUSED, Child
from everloop.server.upfile import Up, hold_lock, write_up
from everloop.settings import Settings, check_workers, load_settings, state_dir

DRAIN_SECONDS = 10.0  # a child that takes longer to end is killed
GIVE_UP_AFTER = 3  # crashes before a child was ever ready
PROBE_SECONDS = 0.03
NOTE_SECONDS = 20.0  # of waiting for the first readiness, after which we say for whom
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """Runs children until a stop signal.

    Parameters
    ----------
    children : not yet started.
    up : what to publish when all are ready.
    as_json : the ready line as JSON.
    """

    def __init__(self, children: Sequence[Child], state: Path, up: Up, as_json: bool) -> None:
        self.children = children
        self.state = state
        self.up = up
        self.as_json = as_json
        self.announced = False
        self.stopping = False
        self.failure = 0
        self._note_due = time.monotonic() + NOTE_SECONDS

    def run(self) -> int:
        """Start, watch, restart; returns the exit status: 0 after a stop signal."""
        with _signals(self._on_stop) as wakeup:
            try:
                for child in self.children:
                    child.start()
                while not self.stopping:
                    self._turn()
                    if not self.stopping:
                        select.select([wakeup], [], [], self._patience())
                        _drain(wakeup)
            finally:
                self._stop_children()
        return self.failure

    def _on_stop(self) -> None:
        self.stopping = True

    def _turn(self) -> None:
        for child in self.children:
            status = child.exited()
            if status is not None:
                self._on_exit(child, status)
            elif child.state == "pausing" and time.monotonic() >= child.due:
                child.start()
            elif child.state == "starting" and child.check_ready() and self.announced:
                say(f"{child.name} is ready again.")
        if not self.announced and all(child.state == "ready" for child in self.children):
            self._announce()
        elif not self.announced and time.monotonic() >= self._note_due:
            self._note_due += NOTE_SECONDS
            waiting = [child for child in self.children if child.state != "ready"]
            say("still waiting for " + " and ".join(f"{c.name} ({c.log})" for c in waiting) + ".")

    def _on_exit(self, child: Child, status: int) -> None:
        goes_on = status == EXIT_AWAY and _has_endpoints(self.state)
        refused = status in (EXIT_REFUSED, EXIT_AWAY) and not goes_on
        if not self.announced and refused:
            say(child.last_words() or f"{child.name} refused to start; see {child.log}.")
            self.failure, self.stopping = EXIT_REFUSED, True
            return
        words = child.last_words()
        seconds = child.pause()
        if not self.announced and child.crashes >= GIVE_UP_AFTER and not goes_on:
            say(f"{child.name} ended {child.crashes} times before it was ready; see {child.log}.")
            self.failure, self.stopping = 1, True
            return
        why = f"signal {-status}" if status < 0 else f"status {status}"
        say(
            f"{child.name} ended ({why}{': ' + words if words else ''}); "
            f"starting it again in {seconds:g} s."
        )

    def _patience(self) -> float | None:
        """Seconds to sleep; None: until a signal, a child's end among them."""
        if any(child.state == "starting" for child in self.children):
            return PROBE_SECONDS
        due = [child.due for child in self.children if child.state == "pausing"]
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def _announce(self) -> None:
        self.announced = True
        write_up(self.state, self.up)
        if self.as_json:
            line = msgspec.json.encode({"ready": True, **msgspec.structs.asdict(self.up)}).decode()
        else:
            line = (
                f"everloop is ready: console and API at {self.up.url}, "
                f"predictions at {self.up.serve_url}"
            )
        print(line, flush=True)

    def _stop_children(self) -> None:
        for child in self.children:
            child.stop()
        deadline = time.monotonic() + DRAIN_SECONDS
        for child in self.children:
            if not child.wait(deadline):
                say(f"{child.name} did not end within {DRAIN_SECONDS:g} s and was killed.")


def _has_endpoints(state: Path) -> bool:
    """Whether the data plane has something to answer with while the database is away."""
    try:
        return bool(read_state(state_path(state)).endpoints)
    except EverloopError:
        return False


def run_up(
    directory: Path,
    host: str = "127.0.0.1",
    port: int = 5050,
    serve_port: int = 5051,
    workers: str = "",
    as_json: bool = False,
) -> int:
    """Run both planes of a project until SIGTERM or Ctrl-C; returns the exit status.

    Must be called from the main thread. Raises :class:`~everloop.errors.EverloopError` when it
    may not start: a second ``up`` on the folder, a port in use, no token beyond loopback.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        raise invalid("--dir", str(directory), "an existing folder", path="--dir")
    check_bind(host, read_settings(directory).token)
    if workers:
        check_workers(workers, "--workers")
    state = state_dir(directory)
    with hold_lock(state) as stale:
        # Children of a killed supervisor end by themselves and may still be draining.
        patience = DRAIN_SECONDS if stale else 0.0
        port = claim_port(host, port, "--port", patience)
        serve_port = claim_port(host, serve_port, "--serve-port", patience)
        if port == serve_port:
            raise invalid("--serve-port", serve_port, "a port other than --port")
        shown = reachable(host)
        up = Up(os.getpid(), f"http://{shown}:{port}", f"http://{shown}:{serve_port}")
        children = _children(directory, host, port, serve_port, workers)
        return Supervisor(children, state, up, as_json).run()


def read_settings(directory: Path) -> Settings:
    """The project's settings. What is wrong elsewhere in its file is the control plane's to say."""
    try:
        raw = tomllib.loads((directory / "everloop.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return load_settings()
    section = raw.get("settings")
    return load_settings(section if isinstance(section, dict) else None)


def say(sentence: str) -> None:
    """A sentence for the person who started us; standard output stays for the ready line."""
    print(f"everloop: {sentence.removeprefix('everloop: ')}", file=sys.stderr, flush=True)


def _children(directory: Path, host: str, port: int, serve_port: int, workers: str) -> list[Child]:
    logs = state_dir(directory) / "logs"
    common = ["--dir", str(directory), "--host", host, "--watch-stdin"]
    probe = reachable(host)
    control = [
        sys.executable,
        "-m",
        "everloop.server",
        *common,
        "--port",
        str(port),
        "--serve-port",
        str(serve_port),
    ]
    serving = [sys.executable, "-m", "everloop.deploy.serving", *common, "--port", str(serve_port)]
    serving += ["--workers", workers] if workers else []
    return [
        Child("the control plane", control, logs / "control.log", probe, port),
        Child("the data plane", serving, logs / "serving.log", probe, serve_port),
    ]


@contextlib.contextmanager
def _signals(on_stop: Callable[[], None]) -> Iterator[socket.socket]:
    """A socket that becomes readable at each signal; stop signals also call ``on_stop``."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = {s: signal.getsignal(s) for s in (*STOP_SIGNALS, signal.SIGCHLD)}
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or before[number] != signal.SIG_IGN:  # nohup stays in force
            signal.signal(number, lambda *_: on_stop())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def _drain(reader: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while reader.recv(1024):
            pass


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of ``python -m everloop.server.supervisor``."""
    parser = argparse.ArgumentParser(prog="everloop up")
    parser.add_argument("--dir", type=Path, default=Path())
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5050)
    parser.add_argument("--serve-port", type=int, default=5051)
    parser.add_argument("--workers", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        return run_up(
            options.dir, options.host, options.port, options.serve_port, options.workers,
            options.json,
        )  # fmt: skip
    except EverloopError as error:
        if options.json:
            print(msgspec.json.encode({"error": error.to_dict()}).decode(), flush=True)
        say(error.message)
        return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
