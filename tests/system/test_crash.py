"""``kill -9`` at every boundary of a cycle and in the middle of its steps: it resumes, whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from processes import everloop, up
from sklearn.datasets import load_breast_cancer

from everloop.data.references import BLOCK
from everloop.deploy.package import read_package
from everloop.deploy.state import read_state, state_path
from everloop.loop.project import Project
from waiting import wait_for

FAULTY = Path(__file__).with_name("faulty.py")
STEPS = ["snapshot", "train", "evaluate", "register", "approve", "deploy", "promote"]
LOOP_FILE = """\
[loop]
name = "cells"
[data]
source = "cells.csv"
target = "target"
[train]
candidates = ["logistic_regression"]
[evaluate]
gates = ["roc_auc >= 0.5"]
[deploy]
rollout = { kind = "canary", steps = [0.5, 1.0], min_requests = 50, hold = "60s" }
"""
# Learns block after block, writes down which, and waits in the third for the file "go".
LEARNER = """\
from pathlib import Path
from time import sleep

from everloop.train.estimators.naive_bayes import NaiveBayes
from everloop.train.streaming import progress

progress.SAVE_EVERY = 0.0
PLACE = Path(__file__).parent


class Learner(NaiveBayes):
    def partial_fit(self, X, y, classes=None):
        if len(y) > 10_000:
            with (PLACE / "learned").open("a") as file:
                file.write(f"{X[0, 0]:.6f}\\n")
            while len((PLACE / "learned").read_text().split()) == 3 and not (PLACE / "go").exists():
                sleep(0.02)
        return super().partial_fit(X, y, classes)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    load_breast_cancer(as_frame=True).frame.to_csv(tmp_path / "cells.csv", index=False)
    (tmp_path / "everloop.toml").write_text(LOOP_FILE)
    return tmp_path


class Rounds:
    """Processes that go once round, one after the other, as ``faulty.py`` says."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(FAULTY)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def start(self, folder: Path, point: str) -> int:
        """The id of the process, and of its group."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{point} {folder}\n")
        self._process.stdin.flush()
        return self._said()

    def ended(self) -> int:
        """Its exit status, when it has ended."""
        return self._said()

    def __call__(self, folder: Path, point: str) -> int:
        self.start(folder, point)
        return self.ended()

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def _said(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def run() -> Iterator[Rounds]:
    rounds = Rounds()
    yield rounds
    rounds.close()


def whole(folder: Path) -> None:
    """What must hold at any moment, also right after a crash."""
    with Project.open(folder) as project:
        assert project.events.verify().ok
        found = project.registry.search_models().items
        versions = project.registry.versions("cells") if found else []
        aliases = project.registry.aliases("cells") if versions else {}
        assert set(aliases) <= {"champion", "challenger"}
        for version in versions:
            read_package(project.package(version)[0], project.keys)
        for endpoint in project.endpoints.all():
            champions = [arm for arm in endpoint.arms if arm.role == "champion"]
            assert [a.version for a in champions] == [aliases["champion"]]
    for endpoint_state in read_state(state_path(folder / ".everloop")).endpoints.values():
        for arm in endpoint_state.arms:
            assert (folder / ".everloop" / "packages" / arm.digest / "package.toml").exists()


def finished(folder: Path, cycles: int) -> None:
    """Each cycle is done with one version, and one champion serves."""
    with Project.open(folder) as project:
        done = project.cycles.page("cells")
        assert [c.verdict for c in done] == ["promoted"] * cycles
        assert [v.version for v in project.registry.versions("cells")] == [*range(cycles, 0, -1)]
        assert project.registry.aliases("cells") == {"champion": cycles}


def attempts(folder: Path) -> dict[str, int]:
    with Project.open(folder) as project:
        cycle = project.cycles.page("cells", limit=1)[0]
        return {s.step: s.attempts for s in project.cycles.steps(cycle.id)}


def test_killed_at_every_boundary_it_resumes_and_repeats_nothing(folder: Path, run: Rounds) -> None:
    for cycle in (1, 2):  # with no champion yet, and beside one
        for step in STEPS[:-1]:
            assert run(folder, f"after:{step}") == -signal.SIGKILL
            whole(folder)
            assert attempts(folder)[step] == 1
        assert run(folder, "none") == 0
        assert attempts(folder) == dict.fromkeys(STEPS, 1)
        finished(folder, cycle)
        whole(folder)


def test_killed_with_the_work_done_but_not_recorded_nothing_is_doubled(
    folder: Path, run: Rounds
) -> None:
    for step in STEPS:
        assert run(folder, f"done:{step}") == -signal.SIGKILL
        whole(folder)
    assert run(folder, "none") == 0
    assert attempts(folder) == dict.fromkeys(STEPS, 2)
    finished(folder, 1)
    whole(folder)


@pytest.mark.parametrize(
    ("step", "stream"), [("train", "false"), ("register", "false"), ("train", "true")]
)
def test_killed_in_the_middle_of_a_step(folder: Path, run: Rounds, step: str, stream: str) -> None:
    streamed = LOOP_FILE.replace("[train]", f"stream = {stream}\n[train]")
    (folder / "everloop.toml").write_text(streamed)
    process = run.start(folder, f"hold:{step}")  # so that it cannot get beyond the step meanwhile
    database = folder / ".everloop" / "everloop.db"
    wait_for(database.exists)
    with Project.open(folder) as project:
        wait_for(lambda: step in _begun(project))
        time.sleep(0.05)  # wherever in it that is
        os.killpg(process, signal.SIGKILL)
        assert run.ended() == -signal.SIGKILL
    whole(folder)
    assert run(folder, "none") == 0
    finished(folder, 1)
    whole(folder)


def test_killed_in_the_middle_of_a_pass_over_large_rows_it_goes_on(
    folder: Path, run: Rounds
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4 * BLOCK, 2))
    y = X[:, 0] + rng.normal(size=len(X)) > 0
    pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "target": y}).write_parquet(folder / "cells.parquet")
    (folder / "learner.py").write_text(LEARNER)
    text = LOOP_FILE.replace("cells.csv", "cells.parquet").replace(
        "logistic_regression", "learner:Learner"
    )
    (folder / "everloop.toml").write_text(
        text.replace("[train]", "stream = true\nsample = 2000\n[train]")
    )
    process, learned = run.start(folder, "none"), folder / "learned"
    wait_for(lambda: learned.exists() and len(learned.read_text().split()) == 3)
    os.killpg(process, signal.SIGKILL)
    assert run.ended() == -signal.SIGKILL
    whole(folder)
    (folder / "go").touch()
    assert run(folder, "none") == 0
    finished(folder, 1)
    whole(folder)
    first, second, third, *later = learned.read_text().split()
    assert len({first, second, third}) == 3
    assert later[0] == third, "the block that it was cut off in is learned again, and none before"
    assert len(later) == 2
    assert not (folder / ".everloop" / "checkpoints").exists() or not any(
        (folder / ".everloop" / "checkpoints").iterdir()
    )


def _begun(project: Project) -> set[str]:
    return {s.step for c in project.cycles.page("cells") for s in project.cycles.steps(c.id)}


def test_killed_in_the_middle_of_a_canary_it_goes_on_where_it_was(folder: Path) -> None:
    everloop(folder, "run")
    rows = load_breast_cancer(as_frame=True).frame.drop(columns="target").head(20)
    body = rows.to_dict(orient="records")
    with up(folder) as running:
        cycle = running.api.post("/api/v1/loops/cells/cycles", json={}).json()["id"]
        wait_for(lambda: _weights(folder) == [0.5, 0.5])
        running.kill()
    whole(folder)
    with up(folder) as running:
        # The endpoint answers with the rollout that was under way.
        assert running.predictions.post("/predict", json=body).status_code == 200
        assert _weights(folder) == [0.5, 0.5]

        def over() -> bool:
            assert running.predictions.post("/predict", json=body).status_code == 200
            found = running.api.get(f"/api/v1/cycles/{cycle}").json()["cycle"]
            return bool(found["finished"])

        wait_for(over)
    finished(folder, 2)
    whole(folder)


def _weights(folder: Path) -> list[float]:
    state = read_state(state_path(folder / ".everloop")).endpoints.get("cells")
    return sorted(arm.weight for arm in state.arms) if state else []


def test_files_that_were_acknowledged_outlive_the_server(tmp_path: Path) -> None:
    """Small ones too, which take no detour on their way to their place."""
    files = {f"{number}.bin": os.urandom(10 ** (number % 6)) for number in range(60)}
    place = "/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts"
    with up(tmp_path) as running:
        for name, content in files.items():
            running.api.put(f"{place}/{name}", content=content).raise_for_status()
        running.kill()
    with up(tmp_path) as running:
        kept = {name: running.api.get(f"{place}/{name}").content for name in files}
    assert kept == files
