"""How much each param of a study matters for what was reached, by Optuna's evaluators."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import msgspec

from everloop.console.runs.comparison import Column
from everloop.errors import invalid

METHODS = {"pedanova": "PedAnovaImportanceEvaluator", "fanova": "FanovaImportanceEvaluator"}
"""PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023): which params set the best trials apart.
fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014): whose values explain the variance of all."""

FEWEST = 8
"""Trials without which nothing can be said."""


class Importance(msgspec.Struct, frozen=True):
    """A param and its share of what was explained."""

    param: str
    share: float


def importances(
    columns: Sequence[Column], counting: Sequence[int], metric: str, lower: bool, method: str
) -> tuple[list[Importance], str]:
    """Each param's share, the largest first; or why there is none.

    ``counting`` are the places of the trials that were finished.

    Raises :class:`~everloop.errors.InvalidInput` for a method that is not known.
    """
    if method not in METHODS:
        raise invalid("query.importance", method, "one of " + ", ".join(METHODS))
    reached = next((c.values for c in columns if c.name == f"metrics.{metric}"), [])
    params = [c for c in columns if c.kind == "param" and None not in c.values]
    rows = [i for i in counting if reached[i] is not None] if reached else []
    if len(rows) < FEWEST or not params:
        return [], f"That needs at least {FEWEST} trials with params that differ."
    # Optuna takes most of a second to import, which only who asks for this should wait for.
    optuna = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize" if lower else "maximize")
    spaces = {c.name.removeprefix("params."): _distribution(optuna, c.values) for c in params}
    for i in rows:
        point = {c.name.removeprefix("params."): c.values[i] for c in params}
        trial = optuna.trial.create_trial(params=point, distributions=spaces, value=reached[i])
        study.add_trial(trial)
    evaluator = getattr(optuna.importance, METHODS[method])
    arguments = {"seed": 0} if method == "fanova" else {}
    found = optuna.importance.get_param_importances(study, evaluator=evaluator(**arguments))
    return [Importance(name, share) for name, share in found.items()], ""


def _distribution(optuna: Any, values: Sequence[Any]) -> Any:
    """The space that the values came from, as far as they tell."""
    if all(isinstance(value, float) for value in values):
        low, high = min(values), max(values)
        log = low > 0 and high / low > 100
        return optuna.distributions.FloatDistribution(low, high, log=log)
    return optuna.distributions.CategoricalDistribution(sorted(set(values)))
