"""One supervised process: started, asked whether it is ready, restarted with growing pauses."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from everloop.memory import frugal_environment

EXIT_REFUSED = 2  # its own sentence says what is wrong with the input
EXIT_AWAY = 75  # the database or the object store is away, which passes

FIRST_PAUSE = 0.5  # seconds before the first restart; doubles with each crash
LONGEST_PAUSE = 30.0
STEADY_AFTER = 60.0  # seconds of life after which a crash counts as the first again
LOG_BYTES = 5_000_000  # a larger log is moved aside when a child starts
LOGS_KEPT = 3


class Child:
    """A process whose standard input is a pipe: it stops by itself when the supervisor is gone.

    Only the supervisor's main thread may call the methods. ``state`` goes
    ``starting → ready → pausing → starting …``; :meth:`stop` and :meth:`wait` end it.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, host: str, port: int) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.address = (host.strip("[]"), port)
        self.state = "stopped"
        self.crashes = 0  # in a row, without a steady time between
        self.due = 0.0  # when a pausing child starts again
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Process id of the present life; 0 before the first."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process in a session of its own, its output going to the log."""
        rotate(self.log)
        with self.log.open("ab") as out:
            self._log_start = out.tell()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=frugal_environment(),
            )
        self._started = time.monotonic()
        self.state = "starting"

    def check_ready(self) -> bool:
        """Ask ``/ready``; the state becomes ``ready`` when it says yes."""
        if self.state == "starting" and answers_ready(self.address):
            self.state = "ready"
        return self.state == "ready"

    def exited(self) -> int | None:
        """The exit status when the present life has ended, else None."""
        return self._process.poll() if self._process and self.state != "pausing" else None

    def pause(self) -> float:
        """Plan the restart after a crash; gives the seconds until then."""
        now = time.monotonic()
        self.crashes = 1 if now - self._started > STEADY_AFTER else self.crashes + 1
        seconds: float = min(FIRST_PAUSE * 2 ** (self.crashes - 1), LONGEST_PAUSE)
        self.due = now + seconds
        self.state = "pausing"
        self._close_pipe()
        return seconds

    def last_words(self) -> str:
        """What this life wrote last: the sentence of a refusal."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    def stop(self) -> None:
        """Ask the process to drain and end."""
        self._close_pipe()
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> bool:
        """Wait until ``deadline`` (monotonic), then kill; True when it ended by itself."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(deadline - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return False
        return True

    def _close_pipe(self) -> None:
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def answers_ready(address: tuple[str, int], timeout: float = 1.0) -> bool:
    """True when ``GET /ready`` at the address answers 200. A plain socket keeps us small."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    request = f"GET /ready HTTP/1.1\r\nHost: {host}:{address[1]}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(address, timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(request.encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def rotate(log: Path, limit: int = LOG_BYTES, kept: int = LOGS_KEPT) -> None:
    """Move a log that has grown past ``limit`` bytes to ``NAME.1``, older ones further on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if not log.exists() or log.stat().st_size < limit:
        return
    for number in range(kept, 0, -1):
        older = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
