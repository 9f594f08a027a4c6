"""Trials on a Ray cluster; ``RAY_ADDRESS`` says which, else one is started on this machine."""

from __future__ import annotations

import importlib
import os
import socket
import time
from typing import Any

from everloop.errors import MissingExtra, Unavailable
from everloop.extensions import trial_workers
from everloop.train.fitting import Report, never, silent
from everloop.train.loading import has_module
from everloop.train.search.workers._base import Decide, Done, Job, Workers, run_job
from everloop.train.training import Training

PATIENCE_S = 10.0  # to find out that nobody is at an address


@trial_workers.register("ray")
class RayWorkers(Workers):
    """``count`` tasks at a time, 0 for one on each core of the cluster.

    The rows are put into Ray's object store once. Trials are not pruned on the way: that would
    take an actor to ask for each step.
    """

    def __init__(self, training: Training, count: int, report: Report) -> None:
        super().__init__(training, count, report)
        if not has_module("ray"):
            raise MissingExtra('executor = "ray"', "ray")
        self._ray = importlib.import_module("ray")
        self._own = not self._ray.is_initialized()
        if self._own:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
            _begun(self._ray)
        self.capacity = max(1, count or int(self._ray.cluster_resources().get("CPU", 1)))
        training.folds  # noqa: B018 - worked out once, here
        self._rows = self._ray.put(training)
        self._run = self._ray.remote(num_cpus=1, max_retries=0)(_run)
        self._jobs: dict[Any, tuple[Job, float]] = {}

    def start(self, job: Job) -> None:
        self._jobs[self._run.remote(self._rows, job)] = job, time.perf_counter()

    def wait(self, decide: Decide, seconds: float | None = None) -> Done | None:
        ready, _ = self._ray.wait(list(self._jobs), num_returns=1, timeout=seconds)
        if not ready:
            return None
        job, began = self._jobs.pop(ready[0])
        try:
            done: Done = self._ray.get(ready[0])
        except self._ray.exceptions.TaskCancelledError:
            spent = time.perf_counter() - began
            return Done(job.number, "pruned", spent, error="the time was up")
        except self._ray.exceptions.RayError as error:
            spent = time.perf_counter() - began
            return Done(job.number, "failed", spent, error=self._why(error))
        return done

    def _why(self, error: Exception) -> str:
        if isinstance(error, self._ray.exceptions.WorkerCrashedError):
            return "its process ended, often for lack of memory"
        said = str(error).strip().splitlines()
        # What a task raised ends its traceback; all else begins with what it is.
        return said[-1 if isinstance(error, self._ray.exceptions.RayTaskError) else 0]

    def stop(self) -> None:
        for task in self._jobs:
            self._ray.cancel(task, force=True)

    def close(self) -> None:
        self.stop()
        if self._own:
            self._ray.shutdown()


def _begun(ray: Any) -> None:
    """Ray, begun. One that does not answer is found out first: Ray would wait for minutes, and
    then end this process."""
    address = os.environ.get("RAY_ADDRESS", "")
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    try:
        if colon:
            socket.create_connection((host, int(port)), PATIENCE_S).close()
        ray.init(log_to_driver=False, include_dashboard=False)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"RAY_ADDRESS: got {address!r}, expected the host:port of a Ray cluster that answers: "
            f"{error}".rstrip(".")
            + ".",
            code="ray_unavailable",
            path="RAY_ADDRESS",
            fix="Without it, a cluster is started on this machine for as long as a search takes.",
        ) from None


def _run(training: Training, job: Job) -> Done:
    return run_job(training, job, never, silent)
