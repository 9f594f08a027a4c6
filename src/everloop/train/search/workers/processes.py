"""Trials in processes of their own, which read the rows from one mapped file.

The rows lie in files without a name that all processes map, so they are in memory once, and gone
however the processes end; there are no more of these than there is memory for. A process that the
system kills for want of memory fails its trial alone: another takes its place.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from everloop.extensions import trial_workers
from everloop.memory import available_bytes, frugal_environment
from everloop.train.cores import cores
from everloop.train.fitting import Report
from everloop.train.search.workers._base import Decide, Done, Job, Workers
from everloop.train.training import Training

OWN_BYTES = 400_000_000  # of a process with its libraries
COPIES = 4  # of the rows that fitting may hold at a time


@trial_workers.register("processes")
class ProcessWorkers(Workers):
    """``count`` processes, 0 for one a core; fewer when memory is short."""

    def __init__(self, training: Training, count: int, report: Report) -> None:
        super().__init__(training, count, report)
        here = cores()
        room = available_bytes() // (OWN_BYTES + COPIES * training.X.nbytes)
        self.capacity = max(1, min(count or here, room))
        self._threads = max(1, here // self.capacity)
        self._X, self._y = _kept(training.X), _kept(training.y)
        self._idle: list[_Child] = []
        self._busy: list[_Child] = []

    def start(self, job: Job) -> None:
        child = self._ready() or self._child()
        child.begin(job)
        self._busy.append(child)

    def wait(self, decide: Decide, seconds: float | None = None) -> Done | None:
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if until is None else until - time.monotonic()
            ready = (
                [] if left is not None and left <= 0 else wait([c.line for c in self._busy], left)
            )
            if not ready:
                return None
            child = next(c for c in self._busy if c.line is ready[0])
            done = child.heard(decide, self.report)
            if done is None:
                continue
            self._busy.remove(child)
            if child.alive:
                self._idle.append(child)
            return done

    def stop(self) -> None:
        for child in self._busy:
            child.late = True
            child.process.kill()

    def close(self) -> None:
        for child in [*self._busy, *self._idle]:
            child.end()
        self._busy, self._idle = [], []
        self._X.file.close()
        self._y.file.close()

    def _ready(self) -> _Child | None:
        """A process that has nothing to do; one may have been killed since it was done."""
        while self._idle:
            child = self._idle.pop()
            if child.process.poll() is None:
                return child
            child.end()
        return None

    def _child(self) -> _Child:
        training = self.training
        setup = {
            "X": self._X.told,
            "y": self._y.told,
            "schema": training.described(),
            "score": training.score,
            "seed": training.seed,
            "device": training.device,
            "explore": training.explore,
            "time_ordered": training.time_ordered,
            "groups": training.groups,
            "weights": training.weights,
            "folds": training.folds,
            "prepare": training.prepare,
        }
        files = [kept.file.fileno() for kept in (self._X, self._y)]
        return _Child(setup, self._threads, files)


class _Kept(NamedTuple):
    """An array in a file without a name; ``told`` is what a process that has the file needs."""

    file: BinaryIO
    told: tuple[int, str, tuple[int, ...]]


def _kept(array: np.ndarray) -> _Kept:
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - as long as the study
    np.ascontiguousarray(array).tofile(file)
    file.flush()
    return _Kept(file, (file.fileno(), array.dtype.str, array.shape))


class _Child:
    """One process and the line to it."""

    def __init__(self, setup: dict[str, Any], threads: int, files: list[int]) -> None:
        ours, theirs = socket.socketpair()
        few = {"LOKY_MAX_CPU_COUNT": str(threads), "OMP_NUM_THREADS": str(threads)}
        path = os.pathsep.join(p for p in sys.path if p)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "everloop.train.search.workers.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno(), *files],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**frugal_environment(), **few, "PYTHONPATH": path},
            )
        self.line: Connection = Connection(ours.detach())
        self._say(setup)
        self.job: Job | None = None
        self.began = 0.0
        self.late = False
        self.alive = True

    def begin(self, job: Job) -> None:
        self.job, self.began = job, time.perf_counter()
        self._say(job)

    def heard(self, decide: Decide, report: Report) -> Done | None:
        """Take one message; the job's end, when it is that."""
        assert self.job is not None
        try:
            kind, content = self.line.recv()
            if kind == "step":
                self.line.send(decide(self.job.number, *content))
        except (EOFError, OSError):
            return self._lost(self.job)
        if kind == "report":
            report(*content)
        return content if kind == "done" else None

    def end(self) -> None:
        self.alive = False
        self.line.close()
        self.process.kill()
        self.process.wait()

    def _say(self, what: Any) -> None:
        """To one that has died nothing: whoever listens for its answer hears that."""
        with suppress(OSError):
            self.line.send(what)

    def _lost(self, job: Job) -> Done:
        code = self.process.wait()
        self.end()
        spent = time.perf_counter() - self.began
        if self.late:
            return Done(job.number, "pruned", spent, error="the time was up")
        why = f"its process ended with {code}" + (", often for lack of memory" * (code == -9))
        return Done(job.number, "failed", spent, error=why)
