"""A rollout under traffic, while its processes are killed; and how fast a bad version is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from processes import Up, everloop_json, up
from test_canary import GOOD, INFINITE, NARROW, registered

from everloop.deploy.rollout import Deployed, plan_arms
from everloop.deploy.rollouts import Rollout
from everloop.deploy.state import read_state, state_path
from everloop.loop.declaration import from_dict
from everloop.loop.loop import declare
from everloop.loop.project import Project
from waiting import wait_for

CANARY = {"kind": "canary", "steps": [0.3, 1.0], "hold": "1h", "min_requests": 10**6}
SECTIONS = {"loop": {"name": "m"}, "data": {"source": "none.csv", "target": "y"}}


def prepared(folder: Path) -> Project:
    """Version 1 serves; 2 is as good, and 3 answers nothing that JSON could hold."""
    project = declare(folder, from_dict(SECTIONS).declaration).project
    first = registered(project, GOOD, NARROW)
    registered(project, INFINITE, NARROW)
    project.registry.set_alias("m", "champion", 1, actor="t", by_rollout=True)
    arms = plan_arms(Deployed(1, first.digest), None, 0.0)
    project.endpoints.set_rollout("m", "m", arms, actor="t")
    project.registry.register(
        "m", key="again", digest=first.digest, algorithm=GOOD, files=first.files, run=None,
        dataset=None, cycle=None, metrics={}, actor="t",
    )  # fmt: skip
    return project


@contextmanager
def calling(url: str) -> Iterator[list[tuple[float, int]]]:
    """Callers all the time; when each asked, and the status of its answer (0: none came)."""
    answers: list[tuple[float, int]] = []
    done = threading.Event()

    def call() -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not done.is_set():
                began = time.time()
                try:
                    status = client.post("/predict", json=[{"a": 0.0}]).status_code
                except httpx.TransportError:
                    status = 0
                    done.wait(0.1)
                answers.append((began, status))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield answers
    finally:
        done.set()
        caller.join()


def newest(project: Project) -> Rollout:
    found = project.rollouts.newest("m")
    assert found is not None
    return found


def seen(project: Project) -> int:
    return sum(n for n, _ in newest(project).evidence.requests.values())


def serving(project: Project) -> int:
    """The process of the data plane."""
    standing = project.serving()
    assert standing is not None
    return standing.pid


def controller(running: Up) -> int:
    """The process of the control plane below the supervisor."""
    top = running.process.pid
    for child in Path(f"/proc/{top}/task/{top}/children").read_text().split():
        if b"everloop.server" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError("the control plane does not run")


def test_it_goes_on_where_it_was_whoever_is_killed(tmp_path: Path) -> None:
    with prepared(tmp_path) as project, up(tmp_path) as running:
        body = {"version": 3, "rollout": CANARY}
        assert running.api.post("/api/v1/loops/m/deploy", json=body).status_code == 202
        with calling(str(running.predictions.base_url)):
            wait_for(lambda: project.rollouts.newest("m") is not None and seen(project) > 50)
            rollout = newest(project)
            for victim in ("data plane", "control plane"):
                before = seen(project)
                pid = serving(project) if victim == "data plane" else controller(running)
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda least=before + 50: seen(project) > least)
                assert newest(project).stage_began == rollout.stage_began
        # Each request since the stage began is counted, and once.
        project.log.ship()
        logged: Counter[str] = Counter()
        for _, frame in project.log.fresh("m", since=rollout.stage_began):
            logged.update(map(str, frame["version"].to_list()))
        wait_for(lambda: seen(project) == logged.total())
        assert {v: n for v, (n, _) in newest(project).evidence.requests.items()} == logged
        everloop_json(tmp_path, "rollout", "promote")
        wait_for(lambda: project.registry.alias("m", "champion") == 3)
        assert newest(project).state == "promoted"
        assert project.events.verify().ok


def test_a_bad_version_is_gone_at_once(tmp_path: Path) -> None:
    with prepared(tmp_path) as project, up(tmp_path) as running:
        with calling(str(running.predictions.base_url)) as answers:
            body = {"version": 2, "rollout": CANARY}
            assert running.api.post("/api/v1/loops/m/deploy", json=body).status_code == 202
            wait_for(lambda: project.rollouts.newest("m") is not None and newest(project).over)
            state = read_state(state_path(project.state))
            wait_for(lambda: (s := project.serving()) and s.revision >= state.revision)
            ended = time.time()
            wait_for(lambda: len(answers) > 0 and answers[-1][0] > ended + 0.5)
        assert newest(project).state == "rolled_back"
        assert "failed on" in (newest(project).reason or "")
        failures = [at for at, status in answers if status != 200]
        assert failures and {status for at, status in answers if at > ended + 0.5} == {200}
        print(f"{len(failures)} failed, for {failures[-1] - failures[0]:.1f} s", file=sys.stderr)
