"""Two controllers on one PostgreSQL: one is killed, one is paused, and each cycle ends once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from processes import SLOW

import everloop as el
from everloop.loop.declaration import from_dict
from everloop.loop.loop import loop_of
from everloop.loop.project import Project
from everloop.memory import processes_below
from everloop.registry.signing import Keys
from everloop.store.leases import LeaseStore
from waiting import wait_for

LEASE = "5s"  # also while the machine has other things to do


class Machine:
    """A folder of its own, with a controller."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.log = folder / "control.log"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "everloop.loop.control", "--dir", str(self.folder)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--json"],
                env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def worker_log(self) -> str:
        return (self.folder / ".everloop" / "logs" / "worker.log").read_text()

    def signal(self, number: int) -> None:
        """To the controller and its worker: what happens to a machine happens to both."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(timeout=60)


@pytest.fixture
def project(tmp_path: Path, pg_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A folder of ours on the database, with the loops ``a`` and ``b``; it runs no controller."""
    blobs = (tmp_path / "blobs").as_uri()
    for name, value in {"DATABASE_URL": pg_url, "BLOBS_URL": blobs, "LEASE": LEASE}.items():
        monkeypatch.setenv(f"EVERLOOP_{name}", value)
    (tmp_path / "slow_own.py").write_text(SLOW.format(hold=str(tmp_path / "hold")))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    x = np.random.default_rng(0).normal(size=400)
    rows = pl.DataFrame({"x": x, "y": x > 0})
    rows.write_csv(tmp_path / "rows.csv")
    Keys.load_or_create(tmp_path / "keys")
    for name in ("one", "two", "mine"):
        shutil.copytree(tmp_path / "keys", tmp_path / name / ".everloop" / "keys")
    with Project.open(tmp_path / "mine") as opened:
        for name in ("a", "b"):
            raw: dict[str, dict[str, Any]] = {
                "loop": {"name": name},
                "data": {"source": str(tmp_path / "rows.csv"), "target": "y"},
                "train": {"candidates": ["slow_own:Slow"]},
            }
            el.declare(tmp_path / "mine", from_dict(raw).declaration).project.close()
        yield opened


@pytest.fixture
def machines(tmp_path: Path, project: Project) -> Iterator[list[Machine]]:
    found = [Machine(tmp_path / name, dict(os.environ)) for name in ("one", "two")]
    try:
        yield found
    finally:
        for machine in found:
            if machine.process.poll() is None:
                machine.signal(signal.SIGCONT)
                machine.kill()


def test_one_is_killed_and_one_is_paused_and_each_cycle_ends_once(
    tmp_path: Path, project: Project, machines: list[Machine]
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    loops = {name: loop_of(project, name) for name in ("a", "b")}
    cycles = {name: loop.run(wait=False) for name, loop in loops.items()}
    look = LeaseStore(project.db, "nobody", "nobody", 1)

    def training() -> dict[str, str]:
        """Who trains what, once both are at it."""
        at_it = all(project.cycles.step(c.id, "train") is not None for c in cycles.values())
        return dict(look.living("loop/")) if at_it else {}

    holders = wait_for(training)
    assert len(set(holders.values())) == 2  # one step each, side by side
    by_place = {machine: _place(machine) for machine in machines}
    killed, paused = (
        next(m for m in machines if holders[f"loop/{name}"].startswith(by_place[m]))
        for name in ("a", "b")
    )
    killed.kill()
    killed.start()  # the folder's lock says that it is gone: nobody need wait for the lease
    paused.signal(signal.SIGSTOP)
    wait_for(lambda: "loop/b" not in look.living("loop/"))
    hold.unlink()
    ended = {n: wait_for(lambda c=c: _ended(project, c.id)) for n, c in cycles.items()}
    assert {c.verdict for c in ended.values()} == {"promoted"}, [c.reason for c in ended.values()]
    said = {name: project.cycles.steps(cycle.id) for name, cycle in cycles.items()}

    for worker in processes_below(paused.process.pid)[1:]:
        os.kill(worker, signal.SIGCONT)  # in the middle of its fit; what comes of that is refused
    wait_for(lambda: "another controller has taken over" in paused.worker_log())
    paused.signal(signal.SIGCONT)
    wait_for(lambda: "has taken it over" in paused.log.read_text())
    later = loops["b"].train(wait=False)  # it goes on with what is left
    assert wait_for(lambda: _ended(project, later.id)).verdict == "registered"
    assert {name: project.cycles.steps(c.id) for name, c in cycles.items()} == said
    for name, versions in (("a", 1), ("b", 2)):
        assert len(project.registry.versions(name)) == versions
        assert project.registry.alias(name, "champion") == 1
    kinds = [(e.kind, e.payload.get("cycle")) for e in project.events.page(limit=1000)]
    assert sorted(c for kind, c in kinds if kind == "cycle.finished") == sorted(
        c.id for c in (*cycles.values(), later)
    )
    for machine in machines:
        machine.signal(signal.SIGTERM)
        assert machine.process.wait(timeout=60) == 0
    assert look.living("") == {}
    assert project.events.verify().ok


def _place(machine: Machine) -> str:
    info = (machine.folder / ".everloop" / "controller.lock").stat()
    return f"{os.uname().nodename[:100]}-{info.st_dev:x}-{info.st_ino:x}:"


def _ended(project: Project, cycle: str) -> Any:
    found = project.cycles.get(cycle)
    return found if found.finished is not None else None
