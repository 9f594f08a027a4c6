"""Looking for better hyper-parameters with Optuna; imported only when a search is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import optuna

from everloop.train.candidates._base import Candidate

Report = Callable[[str, dict[str, Any]], None]


def search(
    name: str,
    candidate: Candidate,
    defaults: dict[str, Any],
    evaluate: Callable[[dict[str, Any]], float],
    *,
    trials: int,
    timeout: float,
    seed: int,
    report: Report,
) -> tuple[dict[str, Any], float]:
    """The best parameters found for one candidate, and their score (greater is better).

    The defaults are the first trial, so the result is never worse than they are on the validation
    rows. A trial that fails (out of memory, a bad combination) is reported and the study goes on.

    Parameters
    ----------
    evaluate : score of one set of parameters; NaN counts as a failure.
    trials, timeout : the budget, whichever ends first; timeout in seconds. The first trial always
        runs to its end.
    seed : of the sampler (TPE, Bergstra et al., 2011).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        params = defaults if trial.number == 0 else defaults | candidate.space(trial)
        started = time.perf_counter()
        entry = {"candidate": name, "number": trial.number, "params": params}
        try:
            value = evaluate(params)
        except Exception as error:
            report("trial", entry | {"error": f"{type(error).__name__}: {error}"})
            raise
        spent = time.perf_counter() - started
        report("trial", entry | {"score": value, "seconds": spent})
        trial.set_user_attr("params", params)
        return value

    study.optimize(objective, n_trials=trials, timeout=timeout, catch=(Exception,))
    complete = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        raise ValueError(f"none of {len(study.trials)} trials could be fitted and scored")
    return study.best_trial.user_attrs["params"], float(study.best_value)
