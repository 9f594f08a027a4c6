"""One study over all candidates: who is tried next, where, and what is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import optuna

from everloop.extensions import trial_workers
from everloop.store.clock import now_ms
from everloop.train.candidates._base import Candidate
from everloop.train.cores import cores
from everloop.train.fitting import TIME_ONLY, Report
from everloop.train.search.allocation import next_candidate
from everloop.train.search.answers import AnswerStore
from everloop.train.search.arm import Arm, Asked
from everloop.train.search.budget import UNBOUNDED, Budget
from everloop.train.search.journal import Journal
from everloop.train.search.records import Trial
from everloop.train.search.workers._base import Done, Job, Workers
from everloop.train.spec import SearchSpec, TrainSpec
from everloop.train.training import Training

GRACE_SECONDS = 2.0  # for a trial to notice by itself that the time is up


def search(
    training: Training,
    chosen: Mapping[str, Candidate],
    spec: TrainSpec,
    report: Report,
    place: Path | None = None,
    answers: AnswerStore | None = None,
    first: dict[str, Any] | None = None,
) -> list[Trial]:
    """All trials of the study, those of earlier sessions too.

    Each candidate's defaults are tried first, so the best is never worse than they are on the
    validation rows. A trial that fails is reported and the study goes on.

    Parameters
    ----------
    place : the file that keeps the study; what is in it is taken up. None keeps nothing.
    report : called with ``"trial"`` for each that ended, ``"recalled"`` for each that an earlier
        session left.
    answers : keeps what the best trials answered; None keeps nothing.
    first : what is tried first in place of the defaults, as from an earlier search.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arms = {}
    for name, candidate in chosen.items():
        arms[name] = Arm(name, candidate, spec, candidate.defaults(len(training.X)) | (first or {}))
        arms[name].check(training.schema, training.seed)
    with Journal(place) as journal:
        workers = make_workers(training, spec.search, report)
        try:
            seed = training.seed
            return Study(arms, spec.search, seed, journal, workers, report, answers).run()
        finally:
            workers.close()


def make_workers(training: Training, spec: SearchSpec, report: Report) -> Workers:
    """The workers that ``[train.search]`` asks for; one alone needs no process of its own."""
    kind = spec.executor or ("inline" if (spec.workers or cores()) == 1 else "processes")
    made: Workers = trial_workers.get(kind, "train.search.executor")(training, spec.workers, report)
    return made


class Study:
    """Trials of several arms under one budget."""

    def __init__(
        self,
        arms: dict[str, Arm],
        spec: SearchSpec,
        seed: int,
        journal: Journal,
        workers: Workers,
        report: Report,
        answers: AnswerStore | None = None,
    ) -> None:
        self.answers = answers
        self.arms, self.spec, self.seed = arms, spec, seed
        self.journal, self.workers, self.report = journal, workers, report
        self.running: dict[int, tuple[str, Asked]] = {}
        self.steps: dict[int, list[tuple[int, float]]] = {}
        self.trials: list[Trial] = []
        for trial in journal.trials:
            if trial.candidate in arms:
                arms[trial.candidate].recall(trial)
                self.trials.append(trial)
                report("recalled", facts(trial))
        self.budget = Budget.of(spec)
        self.budget.spent = sum(t.seconds for t in self.trials) / workers.capacity

    def run(self) -> list[Trial]:
        while True:
            while len(self.running) < self.workers.capacity and self._start():
                pass
            if not self.running:
                return sorted(self.trials, key=lambda trial: trial.number)
            self._finish()

    def _start(self) -> bool:
        """Begin one more trial; False when there is nothing to begin."""
        begun = len(self.trials) + len(self.running)
        first = [name for name, arm in self.arms.items() if arm.begun == 0]
        worked = sum(t.seconds for t in self.trials)
        # Every candidate's defaults are tried while there is time, however few trials were asked
        # for; and while nothing is known at all, time does not count.
        count = min(begun, self.budget.trials - 1) if first else begun
        if (self._any_usable() or not first) and not self.budget.allows(count, worked):
            return False
        if self.journal.deadly:
            return False
        number = self._next_number()
        name = first[0] if first else self._chosen(number)
        if name is None:
            return False
        arm = self.arms[name]
        asked = arm.ask(self._seed(number))
        if asked is None:
            return self._start()  # this one has nothing left: another's turn
        if self.journal.lost(number):
            self._record(name, asked, _gone(number))
            return True
        self.journal.started(number, name)
        self.running[number] = name, asked
        wanted = self.answers is not None
        self.workers.start(Job(number, name, asked.params, self.spec.early_stopping, wanted))
        return True

    def _finish(self) -> None:
        left = self.budget.left() if self._any_usable() else UNBOUNDED
        seconds = None if left == UNBOUNDED else max(0.0, left) + GRACE_SECONDS
        done = self.workers.wait(self._decide, seconds)
        if done is None:
            self.workers.stop()
            return
        name, asked = self.running.pop(done.number)
        self._record(name, asked, done)

    def _record(self, name: str, asked: Asked, done: Done) -> None:
        trial = Trial(
            number=done.number,
            candidate=name,
            state=done.state,
            params=asked.params | done.settled,
            point=asked.point,
            score=done.score,
            seconds=done.seconds,
            error=done.error,
            steps=tuple(self.steps.pop(done.number, ())),
            default=asked.trial is None,
            at=now_ms(),
            loss=done.loss,
        )
        self.journal.ended(trial)
        self.arms[name].tell(asked, trial)
        self.trials.append(trial)
        if self.answers is not None and done.answers is not None:
            self.answers.keep(done.number, done.answers, self.trials)
        self.report("trial", facts(trial))

    def _decide(self, number: int, step: int, score: float) -> bool:
        """Whether a running trial should stop: hopeless, or out of time."""
        name, asked = self.running[number]
        late = self.budget.left() <= 0 and self._any_usable()
        if step == TIME_ONLY:
            return late
        self.steps.setdefault(number, []).append((step, float(score)))
        return self.arms[name].hopeless(asked, step, score) or late

    def _chosen(self, number: int) -> str | None:
        open_arms = {name: arm for name, arm in self.arms.items() if not arm.exhausted}
        if not open_arms:
            return None
        known = {name: arm.trials for name, arm in open_arms.items()}
        begun = {name: arm.begun for name, arm in open_arms.items()}
        return next_candidate(known, begun, self._seed(number), self.spec.trials is None)

    def _next_number(self) -> int:
        taken = {t.number for t in self.journal.trials} | set(self.running)
        return next(n for n in range(len(taken) + 1) if n not in taken)

    def _seed(self, number: int) -> int:
        """Of one trial alone, so that a study that is taken up again goes on as it would have."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{number}".encode()).digest()[:4], "big")

    def _any_usable(self) -> bool:
        return any(t.usable for t in self.trials)


def best_of(trials: list[Trial]) -> Trial | None:
    """The best that may be chosen."""
    return max((t for t in trials if t.usable), key=lambda t: t.worth, default=None)


def facts(trial: Trial) -> dict[str, Any]:
    """A trial as it is reported."""
    plain: dict[str, Any] = msgspec.to_builtins(trial)
    plain.pop("point", None)
    return plain


def read_trials(place: Path) -> list[Trial]:
    """The trials that a study's file holds, for those who only look."""
    found = []
    for line in place.read_bytes().splitlines():
        try:
            record: dict[str, Any] = msgspec.json.decode(line)
        except msgspec.DecodeError:
            break
        if "trial" in record:
            found.append(msgspec.convert(record["trial"], Trial))
    return found


def _gone(number: int) -> Done:
    why = "the process ended while it ran, and again when it was repeated; often lack of memory"
    return Done(number, "failed", 0.0, error=why)
