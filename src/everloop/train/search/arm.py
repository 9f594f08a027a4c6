"""One candidate in a study: its space, its sampler and its own trials."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import TrialState, create_trial

from everloop.data.schema import Schema
from everloop.extensions import pruners, samplers
from everloop.train.candidates._base import Candidate
from everloop.train.search.buildable import check_buildable
from everloop.train.search.probing import Probe
from everloop.train.search.records import Trial
from everloop.train.search.samplers._base import Exhausted
from everloop.train.search.space import check_declared, draw, within
from everloop.train.spec import TrainSpec

REDRAWS = 20  # of parameters that were tried before, until the space counts as used up

_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


@dataclass(frozen=True)
class Asked:
    """What is to be tried; ``trial`` is None for the defaults."""

    params: dict[str, Any]
    point: dict[str, tuple[Any, str]]
    trial: optuna.Trial | None


class Arm:
    """Proposes parameters of one candidate and learns what came of them.

    Raises :class:`~everloop.errors.InvalidInput` for a space that contradicts itself.
    """

    def __init__(
        self, name: str, candidate: Candidate, spec: TrainSpec, defaults: dict[str, Any]
    ) -> None:
        self.name, self.candidate = name, candidate
        self.declared = spec.space.get(name, {})
        check_declared(name, self.declared)
        self.defaults = within(self.declared, defaults)
        self.make = samplers.get(spec.search.sampler, "train.search.sampler")
        probe = Probe(name)
        self._drawn(probe)
        self.space = probe.space
        pruner = pruners.get(spec.search.pruner, "train.search.pruner")()
        self.study = optuna.create_study(direction="maximize", pruner=pruner)
        self.trials: list[Trial] = []
        self.begun = 0
        self.exhausted = False
        self._tried: set[str] = set()

    def check(self, schema: Schema, seed: int) -> None:
        """Refuse parameters that the algorithm does not have."""
        probe = Probe(self.name)
        params = self.defaults | self._drawn(probe)
        check_buildable(self.name, self.candidate, schema, seed, params, self.declared)

    def ask(self, seed: int) -> Asked | None:
        """The next parameters; None when nothing is left to try."""
        if self.begun == 0:
            self.begun += 1
            self._tried.add(repr(sorted(self.defaults.items())))
            return Asked(self.defaults, {}, None)
        for redraw in range(REDRAWS if self.space else 0):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.study.sampler = self.make(seed + redraw, self.space)
                try:
                    trial = self.study.ask()
                    params = self.defaults | self._drawn(trial)
                except Exhausted:
                    break
            key = repr(sorted(params.items()))
            if key not in self._tried:
                self._tried.add(key)
                self.begun += 1
                return Asked(params, _point(trial), trial)
            self.study.tell(trial, state=TrialState.FAIL)
        self.exhausted = True
        return None

    def params_of(self, trial: Trial) -> dict[str, Any]:
        """What a trial was begun with, before the fit settled anything itself."""
        chosen = {name: value for name, (value, _) in trial.point.items()}
        if not chosen:
            return self.defaults
        return self.defaults | self._drawn(optuna.trial.FixedTrial(chosen))

    def tell(self, asked: Asked, trial: Trial) -> None:
        """Learn what came of it."""
        self.trials.append(trial)
        if asked.trial is None:
            return
        value = trial.score if trial.state == "complete" else None
        self.study.tell(asked.trial, value, state=_STATES[trial.state])

    def recall(self, trial: Trial) -> None:
        """Learn from a trial of an earlier session."""
        self.trials.append(trial)
        self.begun += 1
        self._tried.add(repr(sorted((self.defaults | trial.params).items())))
        if not trial.point:
            return
        pairs = {k: (v, json_to_distribution(d)) for k, (v, d) in trial.point.items()}
        pruned = trial.state == "pruned" and trial.steps
        self.study.add_trial(
            create_trial(
                state=_STATES[trial.state],
                value=trial.score if trial.state == "complete" else None,
                params={name: value for name, (value, _) in pairs.items()},
                distributions={name: d for name, (_, d) in pairs.items()},
                intermediate_values=dict(trial.steps) if pruned or trial.usable else {},
            )
        )

    def hopeless(self, asked: Asked, step: int, score: float) -> bool:
        """Whether others were so much better at this step that this trial should stop."""
        if asked.trial is None:
            return False
        asked.trial.report(score, step)
        return asked.trial.should_prune()

    def _drawn(self, trial: Any) -> dict[str, Any]:
        return self.candidate.space(_Own(trial, self.declared)) | draw(trial, self.declared)


class _Own:
    """The trial as the candidate's own space sees it: what is declared is not drawn twice."""

    def __init__(self, trial: Any, declared: dict[str, Any]) -> None:
        self._trial, self._declared = trial, declared

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._trial, name)
        if not name.startswith("suggest_"):
            return found

        def suggest(key: str, *args: Any, **kwargs: Any) -> Any:
            if key not in self._declared:
                return found(key, *args, **kwargs)
            return draw(self._trial, {key: self._declared[key]})[key]

        return suggest


def _point(trial: optuna.Trial) -> dict[str, tuple[Any, str]]:
    return {
        name: (value, distribution_to_json(trial.distributions[name]))
        for name, value in trial.params.items()
    }
