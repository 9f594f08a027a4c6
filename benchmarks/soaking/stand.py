"""The stand: ``everloop up`` on a folder of its own, its database, and hands to kill them with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from everloop.deploy.rollout import Deployed, plan_arms
from everloop.loop.project import Project
from everloop.server.upfile import read_up
from soaking.models import BAD, ENDPOINT, GOOD, registered
from soaking.postgres import Postgres

PATIENCE_S = 60.0
SAMPLE_S = 1.0
LOOP = f"""
[loop]
name = "{ENDPOINT}"
[data]
source = "none.csv"
target = "y"
[settings]
log_fsync = "always"
"""


class Outage(NamedTuple):
    """Somebody was away between two moments of the wall clock."""

    who: str
    began: float
    ended: float


class Stand:
    """One project with its processes; ``outages`` notes who was away, and when.

    Attributes
    ----------
    memory : of each process that lived, its role and samples of ``(time, MB resident)``.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.state = folder / ".everloop"
        self.port, self.serve_port, self.grpc_port = free_ports(3)
        self.outages: list[Outage] = []
        self.memory: dict[int, tuple[str, list[tuple[float, float]]]] = {}
        (folder / "everloop.toml").write_text(LOOP)
        self._postgres = Postgres() if database == "postgres" else None
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._environ = {**os.environ, "EVERLOOP_GRPC_PORT": str(self.grpc_port)}
        if self._postgres is not None:
            url = self._postgres.url
            os.environ["EVERLOOP_DATABASE_URL"] = self._environ["EVERLOOP_DATABASE_URL"] = url
        self.versions = self._lay_out()
        self.start()
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()

    def close(self) -> int:
        """Stop it as a service manager does; the exit status of ``everloop up``."""
        self._ended.set()
        self._watching.join()
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    def clean(self) -> None:
        """After :meth:`close` and the accounts: the database goes too."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._postgres is not None:
            self._postgres.close()

    @contextlib.contextmanager
    def project(self) -> Iterator[Project]:
        with Project.open(self.folder) as project:
            yield project

    # -- the processes -----------------------------------------------------------------------------

    def start(self) -> None:
        """``everloop up``, and wait until both planes are ready."""
        ports = ["--port", str(self.port), "--serve-port", str(self.serve_port)]
        command = [sys.executable, "-c", "from everloop.cli import main; main()", "up", *ports]
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env=self._environ,
                start_new_session=True,
            )  # fmt: skip
        wait_for(self._is_up)

    def _is_up(self) -> bool:
        """Whether this life has said so: children of an earlier one may still be draining."""
        assert self._process is not None and self._process.poll() is None
        up = read_up(self.state)
        return up is not None and up.pid == self._process.pid

    def pids(self) -> dict[str, list[int]]:
        """Processes by role; ``worker`` are those below the data plane."""
        top = self._process.pid if self._process else 0
        found: dict[str, list[int]] = {"supervisor": [top], "worker": []}
        for child in _children(top):
            if _serves(child):
                found["data plane"] = [child]
                found["worker"] += filter(_serves, _children(child))
            elif b"everloop.server" in _command(child):
                found["control plane"] = [child]
        return found

    def kill(self, role: str, which: Callable[[list[int]], int] = lambda pids: pids[0]) -> None:
        """``kill -9``; what a supervisor would start again is waited for."""
        began, before = time.time(), self.pids()
        if not before.get(role):
            raise RuntimeError(f"no {role} to kill")
        os.kill(which(before[role]), signal.SIGKILL)
        if role == "supervisor":  # its children end by themselves; a service manager starts it
            assert self._process is not None
            self._process.wait()
            self.start()
        else:
            wait_for(lambda: self._is_new(role, before) and self.ready(self._port_of(role)))
        self.outages.append(Outage(role, began, time.time()))

    def _is_new(self, role: str, before: dict[str, list[int]]) -> bool:
        now = self.pids().get(role, [])
        return len(now) >= len(before[role]) and now != before[role]

    def _port_of(self, role: str) -> int:
        return self.port if role == "control plane" else self.serve_port

    def ready(self, port: int) -> bool:
        try:
            return self.get(port, "/ready")[0] == 200
        except OSError:
            return False

    @contextlib.contextmanager
    def no_database(self) -> Iterator[None]:
        """PostgreSQL is stopped, or SQLite's file locked, for as long as the block."""
        began = time.time()
        if self._postgres is not None:
            self._postgres.stop()
            yield
            self._postgres.start()
        else:
            with contextlib.closing(sqlite3.connect(self.state / "everloop.db")) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                yield
                connection.rollback()
        wait_for(lambda: self.ready(self.port))
        self.outages.append(Outage("database", began, time.time()))

    # -- the API -----------------------------------------------------------------------------------

    def get(self, port: int, path: str) -> tuple[int, Any]:
        return _asked(urllib.request.Request(f"http://127.0.0.1:{port}{path}"))

    def post(self, path: str, body: Any) -> Any:
        """To the control plane; it must take it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1{path}", json.dumps(body).encode(),
            {"content-type": "application/json"},
        )  # fmt: skip
        status, said = _asked(request)
        assert status < 300, (status, said)
        return said

    def deploy(self, version: int, rollout: dict[str, Any]) -> str:
        """Begin; returns the cycle."""
        body = {"version": version, "rollout": rollout}
        return str(self.post(f"/loops/{ENDPOINT}/deploy", body)["id"])

    def rollout(self, cycle: str) -> Any:
        """What the cycle has begun; None before."""
        _, said = self.get(self.port, f"/api/v1/endpoints/{ENDPOINT}/rollouts?limit=5")
        return next((one for one in said["items"] if one["cycle"] == cycle), None)

    def cycle(self, cycle: str) -> Any:
        """Its record, once it is over; None before, and while nobody answers."""
        try:
            said = self.get(self.port, f"/api/v1/cycles/{cycle}")[1]["cycle"]
        except (OSError, KeyError):
            return None
        return said if said["finished"] else None

    def answering(self) -> set[int]:
        """The versions that the data plane has applied."""
        try:
            arms = self.get(self.serve_port, "/endpoints")[1]["endpoints"][ENDPOINT]["arms"]
        except (OSError, KeyError):
            return set()
        return {arm["version"] for arm in arms}

    # -- within ------------------------------------------------------------------------------------

    def _lay_out(self) -> dict[str, int]:
        """Every version is registered, and the first serves."""
        with self.project() as project:
            project.sync_file()
            made = {kind: registered(project, kind) for kind in (*GOOD, *BAD)}
            first = made[GOOD[0]]
            project.registry.set_alias(
                ENDPOINT, "champion", first.version, actor="soak", by_rollout=True
            )
            arms = plan_arms(Deployed(first.version, first.package_digest()), None, 0.0)
            project.endpoints.set_rollout(ENDPOINT, ENDPOINT, arms, actor="soak")
            project.publish()
        return {kind: version.version for kind, version in made.items()}

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            for role, pids in self.pids().items():
                for pid in pids:
                    if (size := _resident_mb(pid)) is not None:
                        self.memory.setdefault(pid, (role, []))[1].append((time.time(), size))


def wait_for(found: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    """What ``found`` says as soon as it is true."""
    deadline = time.monotonic() + patience
    while not (said := found()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing within {patience:g} s")
        time.sleep(0.05)
    return said


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _asked(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listed.read_text().split())
    return found


def _serves(pid: int) -> bool:
    """Whether it is a data plane: a process, or the parent of several, or one of these."""
    return any(word.startswith(b"everloop.deploy.serving") for word in _command(pid))


def _command(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _resident_mb(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
