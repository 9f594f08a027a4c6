"""Starts the real data plane on a free port and reads what it wrote."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from logged import records_in
from ports import free_port
from waiting import wait_for

ROW = {"x0": 1.0, "x1": 1.0, "x2": 1.0, "x3": 1.0}  # answered with 10
TRIP = {"age": 30, "carrier code": "UA", "zone": "2", "member": True, "leaves": "2013-01-05T17:30"}


class Serving:
    """A running data plane of a project's folder."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_folder = folder / ".everloop" / "log"
        self.stderr = folder / "stderr.log"
        command = [sys.executable, "-m", "everloop.deploy.serving", "--dir", str(folder)]
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                env={**os.environ, **environ},
            )  # fmt: skip
        assert select.select([self.process.stdout], [], [], 60)[0], self.stderr.read_text()
        self.ready_line = self.process.stdout.readline().decode()
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def predict(self, rows, endpoint="flights", **arguments) -> httpx.Response:
        return self.http.post(f"/endpoints/{endpoint}/predict", json=rows, **arguments)

    def status(self) -> dict:
        return self.http.get("/endpoints").json()

    def applied(self, revision: int) -> None:
        wait_for(lambda: self.status()["revision"] == revision)

    def records(self, kind: str = "predictions") -> list[dict]:
        return records_in(self.log_folder / kind)

    def raw(self, data: bytes, half_close: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while b"}" not in answer and (part := connection.recv(65536)):
                answer += part
            return answer

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.http.close()
        self.process.send_signal(number)
        return self.process.wait(60)
