from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from everloop.extensions import samplers
from everloop.train.search.samplers._base import Exhausted, from_unit, to_unit

SPACE = {
    "rate": FloatDistribution(1e-3, 1.0, log=True),
    "leaves": IntDistribution(2, 64),
    "share": FloatDistribution(0.1, 1.0),
}


def hill(params):
    """Best, 0, at a rate of 0.1, 20 leaves and a share of 0.7."""
    goal = {"rate": 0.1, "leaves": 20, "share": 0.7}
    return -sum((to_unit(d, params[k]) - to_unit(d, goal[k])) ** 2 for k, d in SPACE.items())


def climb(name, trials, space=SPACE, score=hill, before=()):
    study = optuna.create_study(direction="maximize")
    study.add_trials(before)
    for number in range(trials):
        study.sampler = samplers.get(name)(number, space)
        trial = study.ask()
        params = {k: trial._suggest(k, d) for k, d in space.items()}
        study.tell(trial, score(params))
    return study


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("name", ["tpe", "multivariate_tpe", "cmaes", "population", "gp"])
def test_a_sampler_that_learns_beats_chance(name):
    trials = 16 if name == "gp" else 60
    learnt = climb(name, trials).best_value
    chance = climb("random", trials).best_value
    assert learnt > chance, (learnt, chance)


@pytest.mark.parametrize("name", ["tpe", "cmaes", "population", "sobol", "grid"])
def test_a_study_taken_up_again_goes_on_as_it_would_have(name):
    whole = climb(name, 24)
    half = climb(name, 12)
    study = optuna.create_study(direction="maximize")
    study.add_trials(half.trials)
    for number in range(12, 24):
        study.sampler = samplers.get(name)(number, SPACE)
        trial = study.ask()
        study.tell(trial, hill({k: trial._suggest(k, d) for k, d in SPACE.items()}))
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


def test_a_grid_holds_every_combination_once():
    space = {"kind": CategoricalDistribution(["a", "b"]), "depth": IntDistribution(1, 3)}
    study = climb("grid", 6, space, lambda params: 0.0)
    assert {(t.params["kind"], t.params["depth"]) for t in study.trials} == {
        (kind, depth) for kind in "ab" for depth in (1, 2, 3)
    }
    with pytest.raises(Exhausted):
        climb("grid", 7, space, lambda params: 0.0)


def test_sobol_fills_the_space_evenly():
    study = climb("sobol", 16)
    halves = [to_unit(SPACE["share"], t.params["share"]) < 0.5 for t in study.trials]
    assert sum(halves) == 8  # a property of the sequence: chance alone gives it once in five times


@pytest.mark.parametrize("name", list(SPACE))
def test_a_value_comes_back_from_the_unit_interval(name):
    for u in (0.0, 0.3, 1.0):
        value = from_unit(SPACE[name], u)
        assert from_unit(SPACE[name], to_unit(SPACE[name], value)) == pytest.approx(value)
