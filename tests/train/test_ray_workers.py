"""Trials on Ray, by a stand-in that carries them as Ray does: pickled, each in no order promised.

Ray itself has no part in these tests; what it raises and takes is written as its 2.60 does.
"""

from __future__ import annotations

import os
import pickle
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mixed import mixed

from everloop.errors import Unavailable
from everloop.train.fitting import never, silent
from everloop.train.search.workers._base import Job, run_job
from everloop.train.search.workers.ray import RayWorkers
from everloop.train.training import Training


def accuracy(y, pred, proba):
    return float(np.mean(y == pred))


class RayError(Exception):
    pass


class TaskCancelledError(RayError):
    pass


class WorkerCrashedError(RayError):
    def __str__(self) -> str:
        return "The worker died unexpectedly. Check python-core-worker-*.log files."


class RayTaskError(RayError):
    def __str__(self) -> str:
        return "ray::_run() (pid=7)\n  File ...\nModuleNotFoundError: No module named 'mine'"


class Ray(ModuleType):
    """As much of Ray as the workers use; ``raises`` by the number of a trial."""

    exceptions = SimpleNamespace(
        RayError=RayError,
        TaskCancelledError=TaskCancelledError,
        WorkerCrashedError=WorkerCrashedError,
        RayTaskError=RayTaskError,
    )

    def __init__(self) -> None:
        super().__init__("ray")
        self.up, self.raises, self.usage = False, {}, ""

    def is_initialized(self) -> bool:
        return self.up

    def init(self, **_: Any) -> None:
        self.up, self.usage = True, os.environ["RAY_USAGE_STATS_ENABLED"]

    def shutdown(self) -> None:
        self.up = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 3.0}

    def put(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def remote(self, **_: Any) -> Any:
        def made(function: Any) -> Any:
            def begin(rows: bytes, job: Job) -> tuple[int, bytes]:
                done = function(pickle.loads(rows), pickle.loads(pickle.dumps(job)))
                return job.number, pickle.dumps(done)

            return SimpleNamespace(remote=begin)

        return made

    def wait(self, tasks: list[Any], num_returns: int, timeout: float | None) -> tuple[Any, Any]:
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task: tuple[int, bytes]) -> Any:
        if task[0] in self.raises:
            raise self.raises[task[0]]
        return pickle.loads(task[1])

    def cancel(self, task: Any, force: bool) -> None:
        pass


@pytest.fixture
def ray(monkeypatch) -> Ray:
    module = Ray()
    monkeypatch.setitem(sys.modules, "ray", module)
    monkeypatch.setattr("everloop.train.search.workers.ray.has_module", lambda name: True)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return module


def test_rows_travel_and_scores_come_back_as_they_are_here(ray) -> None:
    X, y, schema = mixed("binary", rows=300)
    training = Training(X, y, schema, accuracy, 0)
    workers = RayWorkers(training, 0, silent)
    assert workers.capacity == 3 and ray.usage == "0"
    jobs = [Job(n, "decision_tree", {"max_depth": n + 1}, False, answers=True) for n in range(3)]
    for job in jobs:
        workers.start(job)
    for job in jobs:
        done, here = workers.wait(never), run_job(training, job, never, silent)
        assert (done.number, done.state, done.score) == (job.number, "complete", here.score)
        assert (done.answers == here.answers).all()
    workers.close()
    assert not ray.up


def test_what_a_cluster_loses_is_a_failed_trial_with_its_reason(ray) -> None:
    X, y, schema = mixed("binary", rows=300)
    workers = RayWorkers(Training(X, y, schema, accuracy, 0), 1, silent)
    ray.raises = {0: WorkerCrashedError(), 1: RayTaskError(), 2: TaskCancelledError()}
    found = []
    for number in range(3):
        workers.start(Job(number, "decision_tree", {}, False))
        found.append(workers.wait(never))
    assert [(done.state, done.error) for done in found] == [
        ("failed", "its process ended, often for lack of memory"),
        ("failed", "ModuleNotFoundError: No module named 'mine'"),
        ("pruned", "the time was up"),
    ]
    workers.close()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_a_cluster_that_is_not_there_is_a_sentence(ray, monkeypatch, address) -> None:
    """Ray itself would wait for minutes, and then end the process."""
    X, y, schema = mixed("binary", rows=30)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(Unavailable, match=f"RAY_ADDRESS: got '{address}', expected the host:port"):
        RayWorkers(Training(X, y, schema, accuracy, 0), 1, silent)
    assert not ray.up
