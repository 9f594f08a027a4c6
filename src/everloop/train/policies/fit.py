"""Training policies in an environment and choosing the one that earns most."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from everloop.data.environments import Environment
from everloop.data.episodes import CHOOSING, returns, seeds
from everloop.data.schema import Schema
from everloop.errors import EverloopError, invalid
from everloop.train.candidates._base import Candidate
from everloop.train.check import chosen_candidates
from everloop.train.fit import Fitted
from everloop.train.fitting import Fitting, Report
from everloop.train.spec import TrainSpec

EPISODES = 200  # that choose between policies; none of them is met in learning or in the test
BASELINE = "random"
NOTHING = np.zeros((0, 0))


def fit_policies(
    environment: Environment,
    spec: TrainSpec,
    seed: int,
    report: Report,
    keep: dict[str, Any] | None = None,
) -> list[Fitted]:
    """Let the candidates of ``spec`` learn; best first, by mean return over new episodes.

    Random actions are the last entry, ``"random"``, for comparison. ``keep`` are parameters of a
    single candidate, found before. ``report`` is called as by
    :func:`~everloop.train.fit.fit_candidates`.

    Raises :class:`~everloop.errors.InvalidInput` for a candidate that is no policy, or when none
    can learn here.
    """
    chosen = chosen_candidates(spec, "policy")
    schema = environment.schema
    tried, failures = [], []
    for name, candidate in chosen.items():
        params = candidate.defaults(0) if keep is None else keep
        try:
            fitted = _learn(name, candidate, params, environment, schema, seed, report)
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


def _learn(
    name: str,
    candidate: Candidate,
    params: dict[str, Any],
    environment: Environment,
    schema: Schema,
    seed: int,
    report: Report,
) -> Fitted:
    started = time.perf_counter()
    estimator = candidate.build(schema, "policy", seed, params)
    around = Fitting(environment=environment, report=report)
    candidate.fit(estimator, NOTHING, NOTHING, around)
    earned = returns(environment, estimator.predict, seeds(CHOOSING, EPISODES, seed))
    return Fitted(name, params, estimator, time.perf_counter() - started, float(earned.mean()))


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
