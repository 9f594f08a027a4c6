"""A control plane as a process of its own, killed and started again at one address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everloop.server.child import answers_ready
from ports import free_port
from waiting import wait_for


class Server:
    """``python -m everloop.server`` on a folder and a port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "everloop.server", "--dir", str(self.folder)]
        command += ["--port", str(self.port), "--no-controller"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: answers_ready(("127.0.0.1", self.port)) or process.poll() is not None)
        assert process.poll() is None, (self.folder / "server.log").read_text()

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End it by a signal; returns its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    folder.mkdir(exist_ok=True)
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def script(folder: Path, text: str, **environ: str) -> subprocess.Popen[str]:
    """A program of its own that logs; its standard output can be read line by line."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", text],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), **environ},
    )
