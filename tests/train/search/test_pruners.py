"""Which trials are stopped on their way, wherever a study was interrupted."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from everloop.extensions import pruners, samplers

SPACE = {"a": FloatDistribution(0.0, 1.0)}
STEPS = 81


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def told_again(trials):
    """What the journal of a study keeps of trials: nothing that Optuna wrote down beside them."""
    return [
        create_trial(
            state=t.state,
            value=t.value if t.state == TrialState.COMPLETE else None,
            params=t.params,
            distributions=t.distributions,
            intermediate_values=t.intermediate_values,
        )
        for t in trials
    ]


def gone_on(name, numbers, before=()):
    """A study whose trial of ``a`` creeps up to ``a``, the better the further it gets."""
    study = optuna.create_study(direction="maximize", pruner=pruners.get(name)())
    study.add_trials(before)
    for number in numbers:
        study.sampler = samplers.get("random")(number, SPACE)
        trial = study.ask()
        a = trial.suggest_float("a", 0.0, 1.0)
        state = TrialState.COMPLETE
        for step in range(1, STEPS + 1):
            trial.report(a * step / STEPS, step)
            if trial.should_prune():
                state = TrialState.PRUNED
                break
        study.tell(trial, a if state == TrialState.COMPLETE else None, state=state)
    return study


@pytest.mark.parametrize("name", ["median", "hyperband"])
def test_a_study_taken_up_again_stops_whom_it_would_have_stopped(name):
    whole = gone_on(name, range(40)).trials
    for cut in (1, 7, 23):
        again = gone_on(name, range(cut, 40), told_again(whole[:cut])).trials
        assert [(t.state, t.last_step) for t in again] == [(t.state, t.last_step) for t in whole]


def test_hyperband_stops_most_at_its_rungs_and_never_the_best():
    trials = gone_on("hyperband", range(60)).trials
    stopped = [t.last_step for t in trials if t.state == TrialState.PRUNED]
    assert len(stopped) > 30
    assert set(stopped) <= {1, 3, 9, 27, 81}
    assert stopped.count(1) > stopped.count(9)  # most brackets' share begins at the first rung
    best = max(trials, key=lambda t: t.params["a"])
    assert best.state == TrialState.COMPLETE
    taken = sum(t.last_step for t in trials)
    assert taken < 60 * STEPS / 3


def test_hyperband_stops_nobody_before_a_whole_trial():
    study = optuna.create_study(direction="maximize", pruner=pruners.get("hyperband")())
    for value in (1.0, 0.0):
        trial = study.ask(SPACE)
        trial.report(value, 1)
        assert not trial.should_prune()
