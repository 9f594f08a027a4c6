"""The servers whose pages are looked at: everloop's, MLflow's, and one that answers constants."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

PATIENCE_S = 300.0


class Said(NamedTuple):
    """An answer: status, headers and the body as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextlib.contextmanager
def everloop(folder: Path) -> Iterator[str]:
    port = free()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--port", str(port),
               "--no-controller"]  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    with _process(command, clean, folder / "server.log", f"http://127.0.0.1:{port}", "/ready"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    port = free()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
               "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
               "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    with _process(command, quiet, folder / "server.log", f"http://127.0.0.1:{port}", "/health"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def constants() -> Iterator[tuple[str, dict[str, Said]]]:
    """A server that says again what it is given by path; anything else is no content."""
    answers: dict[str, Said] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one write

        def do_GET(self) -> None:
            said = answers.get(self.path, Said(204, {}, b""))
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        server.server_close()


def fetched(url: str, path: str) -> Said:
    """What a server says to a browser that takes gzip, body as it was sent."""
    request = urllib.request.Request(
        url + path, headers={"Accept-Encoding": "gzip", "Accept": "text/html,*/*"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        kept = ("Content-Type", "Content-Encoding", "Cache-Control", "Content-Security-Policy")
        headers = {name: answer.headers[name] for name in kept if answer.headers[name]}
        return Said(answer.status, headers, answer.read())


@contextlib.contextmanager
def _process(
    command: list[str], environment: dict[str, str], log: Path, url: str, ready: str
) -> Iterator[None]:
    with log.open("w") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        end = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(url + ready, timeout=5):
                break
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{command[2]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
