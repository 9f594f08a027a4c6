"""``everloop up`` as a child of the demo, and what the demo asks it over HTTP."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from everloop.errors import EverloopError, Unavailable

START_SECONDS = 60.0


class Plane:
    """The real thing, in processes of its own; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.serve_url = ""
        self._process: subprocess.Popen[str] | None = None
        self._http = httpx.Client(timeout=120)

    def __enter__(self) -> Plane:
        port, serve_port = _free_port(5050), _free_port(5051)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "everloop.server.supervisor",
                "--dir",
                str(self.folder),
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--serve-port",
                str(serve_port),
                "--json",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable(
                "everloop up: did not start.", fix=f"{self.folder}/.everloop/logs says why."
            )
        ready = json.loads(line)
        self.url, self.serve_url = ready["url"], ready["serve_url"]
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()

    # -- control plane ---------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        return _answer(self._http.get(self.url + path))

    def post(self, path: str, body: Any = None) -> Any:
        return _answer(self._http.post(self.url + path, json=body if body is not None else {}))

    def cycle(self, cycle_id: str) -> dict[str, Any]:
        """A cycle with its steps by name."""
        found: dict[str, Any] = self.get(f"/api/v1/cycles/{cycle_id}")
        found["steps"] = {step["step"]: step for step in found["steps"]}
        return found

    def gains(self, loop: str) -> list[dict[str, Any]]:
        """What each promotion gained as labels showed it, the oldest first."""
        self.post(f"/api/v1/loops/{loop}/monitor")  # the last labels have come by now
        cycles = self.get(f"/api/v1/loops/{loop}/history?limit=100")["items"]
        found = [cycle["realised"] for cycle in reversed(cycles) if cycle["realised"]]
        return [one for one in found if one["gain"] is not None]

    # -- data plane ------------------------------------------------------------------------------

    def predict(self, endpoint: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
        """Answers with probabilities and ids for one request of columns."""
        url = f"{self.serve_url}/endpoints/{endpoint}/predict?include=probabilities,version"
        answer: dict[str, Any] = _answer(self._http.post(url, content=msgspec.json.encode(columns)))
        return answer

    def feedback(self, endpoint: str, labels: list[dict[str, Any]]) -> None:
        """Labels that have come."""
        url = f"{self.serve_url}/endpoints/{endpoint}/feedback"
        _answer(self._http.post(url, content=msgspec.json.encode(labels)))

    def wait_served(self, endpoint: str) -> None:
        """Until the data plane answers for an endpoint."""
        deadline = time.monotonic() + START_SECONDS
        while endpoint not in _answer(self._http.get(f"{self.serve_url}/endpoints"))["endpoints"]:
            if time.monotonic() > deadline:
                raise Unavailable(f"endpoint {endpoint}: not served within {START_SECONDS:.0f} s.")
            time.sleep(0.05)


def _answer(response: httpx.Response) -> Any:
    if response.status_code >= 400:
        try:
            error = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            raise EverloopError(f"{response.url}: HTTP {response.status_code}") from None
        raise EverloopError(error["message"], code=error["code"])
    return msgspec.json.decode(response.content)


def _free_port(wished: int) -> int:
    """The wished port when it is free, else any."""
    for port in (wished, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no free port on 127.0.0.1.")
