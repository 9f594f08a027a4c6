"""What breaks in the middle of a cycle: it ends whole, says why, or goes on when it can."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from loop_stream import Traffic, carry_out, declaration, running

from everloop.deploy.rollouts import Wish
from everloop.deploy.serving.standing import Standing, write_standing
from everloop.errors import InvalidInput
from everloop.loop import trying
from everloop.loop.cycles import CycleStore
from everloop.loop.executors import WorkerLost
from everloop.loop.executors._process import WorkerProcess
from everloop.loop.executors.limits import TRIALS, Limits, Watchdog, watched
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.loop.steps import Interrupted, promote
from everloop.loop.watching import look
from everloop.memory import resident_megabytes, tree_megabytes
from waiting import wait_for

ANY = {"metric": "accuracy", "gates": ["accuracy >= 0.6"]}


def again(project: Project, **sections: Any) -> Loop:
    """The loop, declared otherwise; its new versions need not be better."""
    changed = declaration(evaluate=ANY, **sections)
    project.cycles.save_loop(changed, actor="t")
    return Loop(project, changed)


# -- the registry --------------------------------------------------------------------------------


def test_a_promotion_is_made_once_however_often_its_step_is_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its transaction; what a person does before it goes on is not undone."""
    loop = again(project)
    cut: list[int] = []

    def cut_off(_project: Project, revision: int, _seconds: float) -> None:
        cut.append(revision)
        if len(cut) == 1:
            raise Interrupted

    monkeypatch.setattr(promote, "wait_applied", cut_off)
    cycle = loop.run(wait=False)
    with running(project):
        wait_for(lambda: cut)
    assert project.registry.alias("flow", "champion") == 2
    project.registry.set_alias("flow", "champion", 1, actor="ann", by_rollout=True)
    ended = carry_out(project, project.cycles.get(cycle.id))
    assert (ended.verdict, ended.version) == ("promoted", 2)
    step = project.cycles.step(cycle.id, "promote")
    assert step is not None and (step.result or {})["replaced"] == 1
    assert project.registry.alias("flow", "champion") == 1


def test_a_version_that_is_deleted_meanwhile_ends_the_cycle(project: Project) -> None:
    loop = again(project, update={"approval": "human"})
    cycle = carry_out(project, loop.run(wait=False))
    project.registry.delete_version("flow", 2, actor="ann")
    said = loop.decide(cycle.id, approved=True, by="bob")
    ended = carry_out(project, said)
    assert ended.verdict == "failed" and "2" in (ended.reason or "")
    assert "Traceback" not in (ended.reason or "")
    assert project.registry.aliases("flow") == {"champion": 1}
    assert [arm.version for arm in project.endpoints.get("flow").arms] == [1]
    (alert,) = project.windows.alerts("flow", kind="cycle")
    assert alert.severity == "critical" and str(cycle.number) in alert.summary


# -- the data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[None] * 60, [True] * 60])
def test_new_rows_without_labels_or_of_one_class_change_nothing(
    project: Project, labels: list[bool | None]
) -> None:
    path = project.dir / "new.csv"
    rows = pl.read_csv(project.dir / "rows.csv").tail(60)
    rows.with_columns(pl.Series("y", labels, dtype=pl.Boolean)).write_csv(path)
    cycle: Any = Loop(project, declaration()).update(str(path), wait=False)
    ended = carry_out(project, cycle)
    assert ended.verdict in ("refused", "not_worth_it"), ended.reason
    assert "y" in (ended.reason or "")
    assert project.registry.aliases("flow") == {"champion": 1}


def test_a_challenger_that_wins_offline_and_fails_in_the_canary_is_no_news(
    project: Project,
) -> None:
    canary = {"kind": "canary", "steps": [0.5, 1.0], "hold": "60s", "min_requests": 10**6}
    declared = declaration(deploy={"rollout": canary})
    project.cycles.save_loop(declared, actor="t")
    write_standing(project.serving_dir, Standing(os.getpid(), "http://localhost", 10**6))
    traffic = Traffic(project)
    for day in range(6):
        traffic.day(day, turned=True)
    cycle = look(project, declared, actor="controller").cycle
    assert cycle is not None
    with running(project) as engine:
        wait_for(lambda: len(project.endpoints.get("flow").arms) == 2)
        rollout = project.rollouts.of_cycle(cycle.id)
        assert rollout is not None
        project.rollouts.ask(rollout.id, Wish("rollback", "the guard", "it fails requests"))
        ended = engine.wait(cycle.id)
    assert ended.verdict == "rolled_back" and "it fails requests" in (ended.reason or "")
    assert project.registry.aliases("flow") == {"champion": 1}
    assert [arm.version for arm in project.endpoints.get("flow").arms] == [1]
    after = look(project, declared, actor="controller")
    assert after.cycle is None and after.decision.action == "none", after.decision.reason


# -- the disk ------------------------------------------------------------------------------------


def test_a_disk_that_is_full_holds_the_registration_up_and_no_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota of the process: database and packages are on the same disk."""
    loop = again(project)
    begin = CycleStore.begin_step
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    full: list[str] = []

    def fill(self: CycleStore, cycle: str, step: str, position: int) -> None:
        begin(self, cycle, step, position)
        if step == "register" and not full:
            full.append(step)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))

    monkeypatch.setattr(CycleStore, "begin_step", fill)
    cycle = loop.run(wait=False)
    try:
        with running(project) as engine:
            wait_for(lambda: full)
            told = wait_for(lambda: _held_up(project, cycle.id))
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            ended = engine.wait(cycle.id)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told
    assert (ended.verdict, ended.version) == ("promoted", 2), ended.reason
    assert len(project.registry.versions("flow")) == 2
    assert project.events.verify().ok


# -- the process that trains ---------------------------------------------------------------------

DIES = """
import os
from sklearn.linear_model import LogisticRegression

class Dies(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        os._exit(7)
"""


def test_a_trainer_that_crashes_is_tried_again_and_given_up_with_an_alert(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also when the controller was restarted in between: what failed is recorded."""
    (project.dir / "own_dies.py").write_text(DIES)  # where the process that trains finds it
    monkeypatch.syspath_prepend(str(project.dir))
    limits = {"attempts": 2}
    loop = again(project, train={"candidates": ["own_dies:Dies"], "limits": limits})
    cycle = loop.train(wait=False)
    with running(project, "subprocess"):
        step: Any = wait_for(lambda: _delayed(project, cycle.id))
    assert (step.failures, step.due > step.started) == (1, True)
    assert step.error.startswith("its process ended with 7")
    monkeypatch.setattr(trying, "DIED_SECONDS", 0.0)
    with running(project, "subprocess") as engine:
        ended = engine.wait(cycle.id)
    assert ended.verdict == "failed"
    assert (ended.reason or "").startswith("train: its process ended with 7")
    assert "tried 2 times" in (ended.reason or "")
    assert [line for line in caplog.messages if "Trying again" in line] == [
        f"step train waits: {step.error} Trying again in 2 s."  # not after the last attempt
    ]
    (alert,) = project.windows.alerts("flow", kind="cycle")
    assert "ended with 7" in alert.summary
    assert project.registry.aliases("flow") == {"champion": 1}


SOMETIMES = """
import os
from everloop.train.candidates.decision_tree import DecisionTree

class Sometimes(DecisionTree):
    def fit(self, estimator, X, y, around):
        if estimator[-1].max_depth in (3, 4):
            os._exit(7)
        super().fit(estimator, X, y, around)
    def space(self, trial):
        return {"max_depth": trial.suggest_categorical("max_depth", [3, 4, 5])}
"""


def test_trials_that_take_their_process_along_fail_alone_however_many(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.dir / "own_sometimes.py").write_text(SOMETIMES)
    monkeypatch.syspath_prepend(str(project.dir))
    monkeypatch.setattr(trying, "DIED_SECONDS", 0.0)
    own = "own_sometimes:Sometimes"
    train = {
        "candidates": [own],
        "search": {"trials": 4, "sampler": "grid"},
        "limits": {"attempts": 3},
    }
    cycle = again(project, train=train).train(wait=False)
    with running(project, "subprocess") as engine:
        ended = engine.wait(cycle.id)
    assert ended.verdict in ("promoted", "registered"), ended.reason
    step = project.cycles.step(cycle.id, "train")
    assert step is not None and step.attempts == 5  # each deadly one takes two along
    (note,) = [n for n in (step.result or {})["notes"] if "process ended" in n]
    assert "2" in note


HANGS = "import time; time.sleep(1000)"
EATS = "import time; eaten = bytearray(300_000_000); time.sleep(1000)"
EATS_IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{EATS}'])"


@pytest.mark.parametrize(
    ("code", "limits", "why"),
    [
        (HANGS, Limits(seconds=0.2), "ran for more than 0.2 s, its limit (train.limits.time)"),
        (EATS, Limits(megabytes=150), "of memory, more than its limit of 150 MB"),
        (EATS_IN_A_CHILD, Limits(megabytes=150), "of memory, more than its limit of 150 MB"),
    ],
)
def test_what_takes_more_than_its_limit_is_ended(code: str, limits: Limits, why: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", code])
    with watched(process.pid, limits) as dog:
        assert process.wait(timeout=60) == -signal.SIGKILL
        wait_for(lambda: dog.said)
        assert why in dog.said


@pytest.mark.parametrize("trial", TRIALS)
def test_the_largest_trial_is_ended_in_place_of_its_study(trial: str) -> None:
    eats = f"[sys.executable, '-c', {EATS!r}, {trial!r}]"
    study = f"import subprocess, sys; subprocess.run({eats}); print('on'); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", study], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process, watched(process.pid, Limits(megabytes=150)) as dog:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "on\n"  # its trial is over, and it is not
        process.stdin.close()
        assert process.wait(timeout=60) == 0 and not dog.said


def test_getting_ready_is_not_of_the_limit() -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGS])
    with watched(process.pid, Limits(seconds=0.2), ready=False) as dog:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)  # three looks
        dog.begin()
        assert process.wait(timeout=60) == -signal.SIGKILL


MAPS = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    sum(held[:: mmap.PAGESIZE])
    print("read", flush=True)
    sys.stdin.read()
"""


def test_a_file_that_is_read_through_a_map_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(bytes(200_000_000))
    command = [sys.executable, "-c", MAPS, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"read\n"
        assert resident_megabytes(process.pid) > 200
        assert Watchdog(process.pid, Limits(megabytes=100)).look()
        assert not Watchdog(process.pid, Limits(megabytes=1)).look()


def test_processes_that_come_and_go_are_looked_through() -> None:
    """A step's own end between two looks at them, and the one that watches it would be gone."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            subprocess.run(["sh", "-c", "(true) & (true) & wait"], check=True)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(300):
            assert tree_megabytes(os.getpid()) > 0
    finally:
        over.set()
        for thread in threads:
            thread.join()


CUT = """
import os, sys
sys.stdin.readline()
os.write(1, b'{"outcome": {"a')
os.kill(os.getpid(), 9)
"""


def test_a_process_that_is_killed_while_it_answers_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    cut = subprocess.Popen([sys.executable, "-c", CUT], **pipe)  # type: ignore[call-overload]
    worker = WorkerProcess(tmp_path, "steps")
    monkeypatch.setattr(worker, "_new", lambda _: cut)
    with pytest.raises(WorkerLost, match="its process ended with -9 before it answered"):
        worker.ask({"step": {}})
    worker.close()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"time": "0s"}, r"train\.limits\.time: got '0s', expected a duration above 0"),
        ({"memory": "lots"}, r"train\.limits\.memory: got 'lots', expected a size such as 2GB"),
        ({"attempts": 0}, r"train\.limits\.attempts: got 0, expected 1 to 100"),
    ],
)
def test_limits_within_which_nothing_can_run_are_refused(limits: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        declaration(train={"limits": limits})


def _delayed(project: Project, cycle: str) -> Any:
    step = project.cycles.step(cycle, "train")
    return step if step is not None and step.state == "delayed" else None


def _held_up(project: Project, cycle: str) -> bool:
    """The registration was tried and did not come to its end."""
    time.sleep(1.5)
    step = project.cycles.step(cycle, "register")
    return step is not None and step.state != "done"
