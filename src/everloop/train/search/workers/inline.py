"""Trials in this very process, one after the other."""

from __future__ import annotations

from everloop.extensions import trial_workers
from everloop.train.fitting import Report
from everloop.train.search.workers._base import Decide, Done, Job, Workers, run_job
from everloop.train.training import Training


@trial_workers.register("inline")
class InlineWorkers(Workers):
    """One trial at a time; it runs while the study waits for it."""

    def __init__(self, training: Training, count: int, report: Report) -> None:
        super().__init__(training, count, report)
        self._job: Job | None = None

    def start(self, job: Job) -> None:
        self._job = job

    def wait(self, decide: Decide, seconds: float | None = None) -> Done | None:
        job, self._job = self._job, None
        assert job is not None, "a job was started"
        return run_job(
            self.training,
            job,
            lambda step, score: decide(job.number, step, score),
            self.report,
        )
