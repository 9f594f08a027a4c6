"""Real processes for the system tests: the command line as a user calls it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import httpx

from everloop.cli import main
from ports import free_port

EVERLOOP = [sys.executable, "-c", "from everloop.cli import main; main()"]
START_SECONDS = 60.0
# An algorithm of one's own whose fit waits while the file {hold} is there.
SLOW = """
import time
from pathlib import Path
from sklearn.linear_model import LogisticRegression

class Slow(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        while Path({hold!r}).exists():
            time.sleep(0.02)
        super().fit(X, y, sample_weight)
        self.__class__ = LogisticRegression  # which converts to ONNX
        return self
"""


def everloop(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """``everloop …`` in a folder; its output as text."""
    done = subprocess.run(
        [*EVERLOOP, *arguments],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=600,
        env={**os.environ, "COLUMNS": "160"},
    )
    if check:
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def everloop_here(
    folder: Path, *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """The same in this very process, for what is not about the command's own: it takes a second."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(folder),
        patch.object(sys, "argv", ["everloop", *arguments]),
        patch.dict(os.environ, COLUMNS="160"),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    done = subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
    if check:
        assert code == 0, f"{arguments}: {code}\n{done.stdout}\n{done.stderr}"
    return done


def everloop_json(folder: Path, *arguments: str) -> Any:
    return json.loads(everloop(folder, *arguments, "--json").stdout)


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[httpx.Client]:
    """``everloop serve`` on a free port, and a client for it."""
    port = free_port()
    # A file, since a server that writes to a pipe which nobody reads stands still.
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*EVERLOOP, "serve", *arguments, "--port", str(port)],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait_ready(client, process, output)
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0


class Up:
    """``everloop up`` on free ports."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.ports = free_port(), free_port()
        self.process = subprocess.Popen(
            [
                *EVERLOOP,
                "up",
                "--json",
                "--port",
                str(self.ports[0]),
                "--serve-port",
                str(self.ports[1]),
                *arguments,
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "everloop up ended before it was ready"
        ready = json.loads(line)
        self.api = httpx.Client(base_url=ready["url"], timeout=60)
        self.predictions = httpx.Client(base_url=ready["serve_url"], timeout=60)

    def stop(self) -> int:
        """SIGTERM, as a service manager stops it."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self._close()
        return code

    def kill(self) -> None:
        """``kill -9`` of the whole set at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)
        self._close()

    def _close(self) -> None:
        self.api.close()
        self.predictions.close()


@contextlib.contextmanager
def up(folder: Path, *arguments: str) -> Iterator[Up]:
    running = Up(folder, *arguments)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            assert running.stop() == 0


def wait_ready(client: httpx.Client, process: subprocess.Popen[bytes], output: IO[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, output.seek(0) or output.read()
        with contextlib.suppress(httpx.TransportError):
            if client.get("/ready").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("not ready in time")
