"""Where trials run.

The study calls ``start`` while fewer than ``capacity`` jobs are under way, and ``wait`` until one
of them ended; all from one thread. ``wait`` asks ``decide(number, step, score)`` for each
intermediate score: True means that the trial should stop. A job never raises: whatever goes wrong
in it, the death of its process included, comes back as a failed :class:`Done`. ``close`` ends what
is running and gives back all that is held.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from everloop.train.check import find_candidate
from everloop.train.fitting import Pruned, Report
from everloop.train.search.records import State
from everloop.train.training import Prune, Training

Decide = Callable[[int, int, float], bool]


@dataclass(frozen=True)
class Job:
    """One trial to run."""

    number: int
    candidate: str
    params: dict[str, Any]
    early_stopping: bool
    answers: bool = False  # whether its answers to the validation rows are wanted


@dataclass(frozen=True)
class Done:
    """What came of a job."""

    number: int
    state: State
    seconds: float
    score: float | None = None
    settled: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    answers: np.ndarray | None = None
    loss: float | None = None


class Workers(ABC):
    """Runs jobs over one set of rows; ``capacity`` of them at a time."""

    capacity: int = 1

    def __init__(self, training: Training, count: int, report: Report) -> None:
        self.training, self.report = training, report

    @abstractmethod
    def start(self, job: Job) -> None:
        """Begin a job; returns at once."""

    @abstractmethod
    def wait(self, decide: Decide, seconds: float | None = None) -> Done | None:
        """The next job that ended; None when none did within ``seconds``."""

    def stop(self) -> None:  # noqa: B027 - what runs in this process cannot be stopped from outside
        """The time is up: end what is running; ``wait`` then returns each as pruned."""

    def close(self) -> None:  # noqa: B027 - not every kind holds something
        """End what is running and let go of what is held."""


def run_job(training: Training, job: Job, prune: Prune, report: Report) -> Done:
    """One trial to its end, in this process."""
    began = time.perf_counter()
    state: State = "failed"
    score, settled, error, answers, loss = None, {}, None, None, None
    try:
        found = training.validate(
            find_candidate(job.candidate),
            job.params,
            early_stopping=job.early_stopping,
            prune=prune,
            report=report,
        )
        if np.isfinite(found.score):
            state, score, settled = "complete", float(found.score), found.settled
            answers, loss = found.answers if job.answers else None, found.loss
        else:
            error = "the validation rows could not be scored"
    except Pruned:
        state = "pruned"
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}".rstrip(": ")
    spent = time.perf_counter() - began
    return Done(job.number, state, spent, score, settled, error, answers, loss)
