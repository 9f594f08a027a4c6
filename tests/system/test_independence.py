"""A data plane goes on without its control plane, and brings back what it logged meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import onnx
import pytest
from onnx import TensorProto, helper
from processes import EVERLOOP

from everloop import __version__
from everloop.console.endpoints.traffic import elsewhere
from everloop.data.schema import Feature, Schema
from everloop.data.segments import list_segments
from everloop.deploy.package import Package
from everloop.deploy.packaging import store_package, write_package
from everloop.deploy.state import Arm
from everloop.loop.project import Project
from ports import free_port
from waiting import wait_for

SCHEMA = Schema(features=(Feature("a", "number"),), target="y", task="regression", id="id")


class Machine:
    """A folder, and the processes that were started for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output.txt"
        self.running: list[subprocess.Popen[bytes]] = []
        folder.mkdir()

    def start(
        self, command: list[str], port: int, asked: httpx.Client | None = None, **environ: str
    ) -> httpx.Client:
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                [*command, "--dir", str(self.folder), "--port", str(port)],
                stdout=output, stderr=output, env={**os.environ, **environ},
            )  # fmt: skip
        self.running.append(process)
        client = asked or httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        wait_for(lambda: self.is_ready(client))
        return client

    def is_ready(self, client: httpx.Client) -> bool:
        assert self.running[-1].poll() is None, self.output.read_text()
        try:
            return client.get("/ready").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.running[-1].send_signal(signal.SIGKILL)
        self.running[-1].wait()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    both = Machine(tmp_path / "control"), Machine(tmp_path / "edge")
    yield both
    for machine in both:
        for process in machine.running:
            if process.poll() is None:
                process.kill()
                process.wait()


def register(project: Project, shift: float) -> Arm:
    """A version with ``y = a + shift``."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["X", "shift"], ["y"])],
        "g",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor("shift", TensorProto.DOUBLE, [1], [shift])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made)
    package = Package(model="m", task="regression", algorithm="add", created=1, schema=SCHEMA)
    folder = project.state / f"made-{shift}"
    digest = write_package(folder, package, {"model.onnx": made.SerializeToString()}, project.keys)
    version = project.registry.register(
        "m", key=folder.name, digest=digest, algorithm="add",
        files=store_package(folder, project.blobs), run=None, dataset=None, cycle=None,
        metrics={}, actor="t",
    )  # fmt: skip
    return Arm(version.version, digest)


def publish(project: Project, arm: Arm) -> int:
    project.endpoints.set_rollout("m", "m", [arm], actor="t")
    return project.publish()


def ask(client: httpx.Client, ids: range) -> list[float]:
    found = []
    for id in ids:
        answer = client.post("/predict", json=[{"a": 1.0, "id": f"row-{id}"}])
        assert answer.status_code == 200, answer.text
        found += answer.json()["y_pred"]
    return found


def logged(project: Project) -> list[str]:
    project.log.ship()
    found = project.log.predictions("m")
    return [] if found.is_empty() else found["id"].to_list()


def answered(project: Project) -> dict[int, int]:
    """Requests by version, as the data plane elsewhere reported them."""
    (plane,) = elsewhere("m", msgspec.to_builtins(project.endpoints.get("m").arms),
                         project.remote_planes())  # fmt: skip
    counts = plane.traffic.versions if plane.traffic else {}
    return {int(v): roles["champion"]["requests"] for v, roles in counts.items()}


def test_nothing_is_lost_while_either_side_is_away(machines: tuple[Machine, Machine]) -> None:
    home, edge = machines
    port, serving = free_port(), free_port()
    control = [sys.executable, "-m", "everloop.server"]
    follow = [*EVERLOOP, "serve", "--follow", f"http://127.0.0.1:{port}"]
    with Project.open(home.folder) as project:
        publish(project, register(project, 1.0))
    home.start(control, port)
    client = edge.start(follow, serving, EVERLOOP_LOG_FSYNC="always")
    assert set(ask(client, range(20))) == {2.0}
    with Project.open(home.folder) as project:
        wait_for(lambda: len(logged(project)) == 20)
        # A new version comes without a restart, and the control plane sees that it answers.
        revision = publish(project, register(project, 2.0))
        standing = wait_for(lambda: (s := project.serving()) and s.revision == revision and s)
        assert standing.errors == {}
    assert set(ask(client, range(20, 30))) == {3.0}
    with Project.open(home.folder) as project:  # its counts come along with its report
        wait_for(lambda: answered(project) == {1: 20, 2: 10})
        assert project.remote_planes()[0].version == __version__

    home.kill()
    away = home.folder / "away"
    (home.folder / ".everloop").rename(away)
    assert set(ask(client, range(30, 60))) == {3.0}
    edge.kill()
    client = edge.start(follow, serving, EVERLOOP_LOG_FSYNC="always")
    assert set(ask(client, range(60, 80))) == {3.0}

    away.rename(home.folder / ".everloop")
    home.start(control, port)
    with Project.open(home.folder) as project:
        wait_for(lambda: len(logged(project)) >= 80)
        assert sorted(logged(project)) == sorted(f"row-{id}" for id in range(80))
        edge.running[-1].terminate()
        assert edge.running[-1].wait(60) == 0
        log = edge.folder / ".everloop" / "log"
        assert list_segments(log / "predictions") == []  # all of it has gone home
        assert len(logged(project)) == 80


@pytest.mark.parametrize("verb", ["serve", "up"])
def test_what_was_published_last_is_served_without_a_database(
    machines: tuple[Machine, Machine], verb: str
) -> None:
    home, _ = machines
    with Project.open(home.folder) as project:
        publish(project, register(project, 1.0))
    (home.folder / ".everloop" / "blobs").rename(home.folder / "away")
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    command, client = [*EVERLOOP, verb], None
    if verb == "up":  # starts the control plane again and again, and lets the data plane answer
        serving = free_port()
        command += ["--serve-port", str(serving)]
        client = httpx.Client(base_url=f"http://127.0.0.1:{serving}", timeout=30)
    asked = home.start(command, free_port(), client, EVERLOOP_DATABASE_URL=nowhere)
    assert ask(asked, range(3)) == [2.0, 2.0, 2.0]
    if verb == "up":
        wait_for(lambda: home.output.read_text().count("starting it again") > 2)
        assert ask(asked, range(3)) == [2.0, 2.0, 2.0]
        home.running[-1].terminate()
        assert home.running[-1].wait(60) == 0
    else:
        assert "What was published last is served." in home.output.read_text()
