"""Training a run of a cycle again: its model, one of its candidates, or a trial of its search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from everloop.data.declared import environment_of
from everloop.data.encode import Examples
from everloop.data.environments import Environment
from everloop.errors import Conflict
from everloop.evaluate.metrics import Metric
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._challenger import schema_of
from everloop.loop.steps._fitting import training_rows_of
from everloop.loop.steps._method import around_of, choice_of, first_of, sound_method
from everloop.loop.steps._streamed import on_all_rows
from everloop.loop.steps._whole import made_of_all
from everloop.train.baseline import NAME as BASELINE
from everloop.train.baseline import baseline
from everloop.train.check import find_candidate
from everloop.train.fitting import silent
from everloop.train.onnx import to_onnx
from everloop.train.policies.fit import BASELINE as RANDOM
from everloop.train.policies.fit import fit_policies, random_return
from everloop.train.policies.playing import Playing
from everloop.train.search.arm import Arm
from everloop.train.search.records import Trial
from everloop.train.search.study import best_of, read_trials
from everloop.train.search.workers._base import Job, run_job
from everloop.train.spec import ENSEMBLE
from everloop.train.training import Training
from everloop.update.methods.rows import TrainingRows


@dataclass(frozen=True)
class Scored:
    """A validation score then and now, by the metric's own sign; steps are those of a trial.

    One that was stopped has only those: the last is compared, as its run has it, named by ``of``.
    """

    then: float | None
    now: float | None
    steps: float = 0.0  # the largest difference of a score on the way
    error: str | None = None
    of: str | None = None  # what the scores are of, where that is not the metric


def model_again(then: StepContext) -> bytes:
    """The cycle's model as ONNX, with the parameters that were found."""
    trained, schema = then.results["train"], schema_of(then)
    spec = then.declaration.train.alone(str(trained["algorithm"]))
    if schema.task == "policy":
        environment, seed = _environment(then), then.declaration.loop.seed
        found = fit_policies(environment, spec, seed, then.report, keep=trained["params"])
        return to_onnx(found[0].estimator, schema)
    choice = choice_of(then)
    method, champion = sound_method(then, choice)
    data = training_rows_of(then)
    around = around_of(then, choice, spec, report=then.report, keep=trained["params"])
    made = method.make(data, champion, around)
    if made.onnx is not None:
        return made.onnx
    best = made.fitted[0]
    if made.on_all:
        best, _ = on_all_rows(then, best, Examples(data.X, data.y), None)
    return to_onnx(best.estimator, schema, data.X)


def served_again(then: StepContext) -> bytes:
    """What is served of the cycle as ONNX, where that was made of the rows that tested it too."""
    trained = then.results["train"]
    spec = then.declaration.train.alone(str(trained["algorithm"]))
    known, params = trained["whole"], trained["params"]
    rows, made, _ = made_of_all(then, spec, params, int(known["rows"]), known.get("way", ""))
    return to_onnx(made.fitted[0].estimator, rows.schema, rows.X)


def candidate_again(then: StepContext, entry: dict[str, Any], metric: Metric) -> Scored:
    """The validation score of a candidate that was not chosen.

    ``entry`` is its line in the cycle's table. Raises :class:`~everloop.errors.Conflict` when what
    it takes is no longer there.
    """
    name, sign = str(entry["algorithm"]), 1.0 if metric.greater_is_better else -1.0
    if schema_of(then).task == "policy":
        return Scored(entry["score"], _policy_return(then, name, entry["params"]))
    data = training_rows_of(then)
    training = data.training(then.declaration.train.alone(name))
    if name == BASELINE:
        floor = baseline(training)
        return Scored(entry["score"], None if floor is None else sign * floor[1])
    if name == ENSEMBLE:
        raise Conflict(
            "run of an ensemble that was not chosen: its score comes from the answers of trials; "
            "reproduce those."
        )
    if then.declaration.train.search.asked:
        trials = [trial for trial in _trials(then) if trial.candidate == name]
        best = best_of(trials)
        if best is None:
            raise Conflict(f"run of {name}: none of its trials was scored.")
        return trial_again(then, best, metric, data)
    found = training.validate(find_candidate(name), entry["params"]).score
    return Scored(entry["score"], sign * found)


def trial_again(
    then: StepContext, trial: Trial, metric: Metric, data: TrainingRows | None = None
) -> Scored:
    """A trial with what its sampler chose; one that was stopped on its way goes as far."""
    training = _where(then, trial.candidate, data)
    sign = 1.0 if metric.greater_is_better else -1.0
    candidate = find_candidate(trial.candidate)
    spec = then.declaration.train
    first = first_of(then, choice_of(then)) or {}
    arm = Arm(trial.candidate, candidate, spec, candidate.defaults(len(training.X)) | first)
    job = Job(trial.number, trial.candidate, arm.params_of(trial), spec.search.early_stopping)
    known, last = dict(trial.steps), max((step for step, _ in trial.steps), default=None)
    seen: dict[int, float] = {}

    def stop(step: int, score: float) -> bool:
        seen[step] = float(score)  # numpy's own would not go into a record
        return trial.state == "pruned" and step == last

    done = run_job(training, job, stop, silent)
    apart = max((abs(seen.get(step, np.inf) - value) for step, value in known.items()), default=0.0)
    if trial.state == "pruned" and last is not None:
        return Scored(known[last], seen.get(last), float(apart), done.error, "step_score")
    then_, now = (None if s is None else sign * s for s in (trial.score, done.score))
    error = None if done.error == trial.error else done.error
    return Scored(then_, now, float(apart), error)


def found_trial(then: StepContext, number: int) -> Trial:
    """The trial of the cycle's study with that number. Raises Conflict when it is gone."""
    for trial in _trials(then):
        if trial.number == number:
            return trial
    raise Conflict(f"trial {number}: its study's file does not hold it any more.")


def _trials(then: StepContext) -> list[Trial]:
    study = then.results["train"].get("study")
    try:
        return read_trials(then.project.state / "studies" / f"{study}.jsonl")
    except FileNotFoundError:
        raise Conflict(f"study {study}: its file is gone, and its trials with it.") from None


def _where(then: StepContext, name: str, data: TrainingRows | None) -> Training:
    """The rows that a trial was validated on, or the environment it was played in."""
    if schema_of(then).task == "policy":
        return Playing(_environment(then), then.declaration.loop.seed)
    return (data or training_rows_of(then)).training(then.declaration.train.alone(name))


def _environment(then: StepContext) -> Environment:
    environment = environment_of(then.declaration.data)
    assert environment is not None, "the schema of a policy comes from its environment"
    return environment


def _policy_return(then: StepContext, name: str, params: dict[str, Any]) -> float | None:
    environment, seed = _environment(then), then.declaration.loop.seed
    if name == RANDOM:
        return random_return(environment, seed)
    return fit_policies(
        environment, then.declaration.train.alone(name), seed, then.report, keep=params
    )[0].score
