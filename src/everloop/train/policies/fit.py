"""Training policies in an environment and choosing the one that earns most."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from everloop.data.environments import Environment
from everloop.data.episodes import CHOOSING, returns, seeds
from everloop.errors import EverloopError, invalid
from everloop.train.candidates._base import Candidate
from everloop.train.check import chosen_candidates
from everloop.train.fit import Fitted
from everloop.train.fitting import Report
from everloop.train.policies.playing import EPISODES, Playing, check_alone
from everloop.train.search.space import fixed
from everloop.train.spec import TrainSpec

BASELINE = "random"


def fit_policies(
    environment: Environment,
    spec: TrainSpec,
    seed: int,
    report: Report,
    keep: dict[str, Any] | None = None,
    study: Path | None = None,
) -> list[Fitted]:
    """Let the candidates of ``spec`` learn; best first, by mean return over new episodes.

    Random actions are the last entry, ``"random"``, for comparison. ``keep`` are parameters of a
    single candidate, found before. Where ``spec`` asks for a search, each trial is a policy that
    learned with other parameters, kept in the file ``study``. ``report`` is called as by
    :func:`~everloop.train.fit.fit_candidates`.

    Raises :class:`~everloop.errors.InvalidInput` for a candidate that is no policy, or when none
    can learn here.
    """
    chosen = chosen_candidates(spec, "policy")
    playing = Playing(environment, seed)
    settings = {n: c.defaults(0) | fixed(spec.space.get(n, {})) for n, c in chosen.items()}
    if keep is not None:
        settings = dict.fromkeys(chosen, keep)
    elif spec.search.asked:
        settings |= _searched(playing, chosen, spec, report, study)
    tried, failures = [], []
    for name, candidate in chosen.items():
        try:
            fitted = _learn(name, candidate, settings[name], playing, report)
        except EverloopError:
            raise
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
            report("failed", {"candidate": name, "error": f"{type(error).__name__}: {error}"})
            continue
        tried.append(fitted)
        shown = {key: getattr(fitted, key) for key in ("params", "score", "seconds")}
        report("candidate", {"candidate": name} | shown)
    if not tried:
        raise invalid(
            "train.candidates",
            ", ".join(chosen),
            "at least one that can learn in this environment",
            code="training_failed",
            fix=failures[0].rstrip(".") + "." if failures else None,
        )
    tried.sort(key=lambda f: f.score or 0.0, reverse=True)
    return [*tried, _baseline(environment, seed)]


def _searched(
    playing: Playing,
    chosen: dict[str, Candidate],
    spec: TrainSpec,
    report: Report,
    place: Path | None,
) -> dict[str, dict[str, Any]]:
    """The best parameters of each candidate of which a trial came to an end."""
    check_alone(spec.search)
    # Optuna takes most of a second to import, which only a search should pay for.
    study = importlib.import_module("everloop.train.search.study")
    trials = study.search(playing, chosen, spec, report, place)
    best = {n: study.best_of([t for t in trials if t.candidate == n]) for n in chosen}
    return {name: trial.params for name, trial in best.items() if trial is not None}


def _learn(
    name: str, candidate: Candidate, params: dict[str, Any], playing: Playing, report: Report
) -> Fitted:
    started = time.perf_counter()
    policy = playing.learn(candidate, params, report)
    earned = playing.earned(policy)
    return Fitted(name, params, policy, time.perf_counter() - started, earned)


def _baseline(environment: Environment, seed: int) -> Fitted:
    started = time.perf_counter()
    earned = random_return(environment, seed)
    return Fitted(BASELINE, {}, None, time.perf_counter() - started, earned)


def random_return(environment: Environment, seed: int) -> float:
    """What random actions earn in the episodes that choose, a mean."""
    rng = np.random.default_rng(seed)
    earned = returns(
        environment,
        lambda X: rng.integers(environment.actions, size=len(X)),
        seeds(CHOOSING, EPISODES, seed),
    )
    return float(earned.mean())
