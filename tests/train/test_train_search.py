from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from mixed import mixed

from everloop.errors import Conflict, InvalidInput
from everloop.extensions import candidates
from everloop.train.candidates.decision_tree import DecisionTree
from everloop.train.fit import fit_candidates
from everloop.train.fitting import Fitting, Pruned
from everloop.train.search.allocation import next_candidate
from everloop.train.search.journal import Journal
from everloop.train.search.records import Trial
from everloop.train.search.study import best_of, make_workers, read_trials
from everloop.train.search.workers._base import Done, Job
from everloop.train.search.workers.inline import InlineWorkers
from everloop.train.search.workers.processes import ProcessWorkers
from everloop.train.spec import SearchSpec, TrainSpec
from everloop.train.training import Training
from everloop.train.tried import Fitted
from waiting import wait_for


def accuracy(y, pred, proba):
    return float(np.mean(y == pred))


def silent(kind, event):
    pass


def spec(*names, space=None, **search):
    return TrainSpec(names, SearchSpec(**search), space=space or {})


def searched(place, spec, task="binary", rows=300):
    events = []
    X, y, schema = mixed(task, rows=rows)
    found = fit_candidates(
        X, y, schema, spec, accuracy, 0, lambda *event: events.append(event), study=place
    )
    return found, [facts for stage, facts in events if stage == "trial"], events


# -- one study over all candidates -----------------------------------------------------------------


def test_all_candidates_share_one_budget_and_their_defaults_come_first(tmp_path):
    names = ("decision_tree", "logistic_regression", "extra_trees")
    found, trials, _ = searched(tmp_path / "s.jsonl", spec(*names, trials=10))
    assert len(trials) == 10 and [t["number"] for t in trials] == list(range(10))
    assert [t["candidate"] for t in trials[:3]] == list(names)
    assert all(t["default"] for t in trials[:3]) and not any(t.get("default") for t in trials[3:])
    assert found[0].score == max(t["score"] for t in trials)


def test_the_next_trial_goes_where_improvement_is_cheap():
    def made(name, scores):
        return [Trial(i, name, "complete", {}, score=s, seconds=1.0) for i, s in enumerate(scores)]

    trials = {"rising": made("rising", [0.7, 0.8, 0.9]), "flat": made("flat", [0.6] * 30)}
    begun = {name: len(t) for name, t in trials.items()}
    chosen = [next_candidate(trials, begun, seed, True) for seed in range(200)]
    assert chosen.count("rising") > 180
    assert next_candidate(trials, begun | {"new": 0}, 0, True) == "new"


def test_a_candidate_without_a_space_is_tried_once(tmp_path):
    names = ("linear_regression", "ridge")
    _, trials, _ = searched(None, spec(*names, trials=6), "regression")
    assert [t["candidate"] for t in trials].count("linear_regression") == 1


# -- durability ------------------------------------------------------------------------------------


def test_a_finished_study_is_not_repeated_and_its_budget_can_be_raised(tmp_path):
    place = tmp_path / "s.jsonl"
    found, trials, _ = searched(place, spec("decision_tree", trials=4))
    again, none, _ = searched(place, spec("decision_tree", trials=4))
    assert none == [] and again[0].params == found[0].params
    _, more, _ = searched(place, spec("decision_tree", trials=9))
    assert [t["number"] for t in more] == list(range(4, 9))
    _, whole, _ = searched(None, spec("decision_tree", trials=9))
    assert [t["params"] for t in whole] == [t["params"] for t in trials + more]


KILLED = """
import sys, time
sys.path[:0] = {paths!r}
from mixed import mixed
from pathlib import Path
from everloop.extensions import candidates
from everloop.train.candidates.decision_tree import DecisionTree
from everloop.train.fit import fit_candidates
from everloop.train.spec import SearchSpec, TrainSpec
place = Path({place!r})
class Waits(DecisionTree):
    def fit(self, *args):
        while place.exists() and place.read_bytes().count(b'"trial"') >= 3:
            time.sleep(1)
        super().fit(*args)
candidates.get("ridge")
candidates.register("decision_tree")(Waits)
X, y, schema = mixed("binary", rows=200)
fit_candidates(X, y, schema, TrainSpec(("decision_tree",), SearchSpec(trials=6)),
               lambda y, pred, proba: float((y == pred).mean()), 0, lambda *e: None, study=place)
"""


def test_a_study_goes_on_after_its_process_was_killed(tmp_path):
    place, paths = tmp_path / "s.jsonl", [str(Path(sys.modules["mixed"].__file__).parent)]
    script = KILLED.format(paths=paths, place=str(place))  # goes no further than its third trial
    process = subprocess.Popen([sys.executable, "-c", script])
    wait_for(lambda: process.poll() or (place.exists() and len(read_trials(place)) >= 2))
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with place.open("ab") as file:
        file.write(b'{"trial": {"number": 2, "cand')  # and the last line was torn
    left = len(read_trials(place))
    assert 2 <= left < 6
    searched(place, spec("decision_tree", trials=6), rows=200)
    resumed = read_trials(place)
    searched(tmp_path / "whole.jsonl", spec("decision_tree", trials=6), rows=200)
    whole = read_trials(tmp_path / "whole.jsonl")
    assert len(resumed) == 6
    assert [(t.number, t.params, t.score) for t in resumed] == [
        (t.number, t.params, t.score) for t in whole
    ]


def test_a_trial_that_took_its_process_along_twice_is_given_up(tmp_path):
    place = tmp_path / "s.jsonl"
    line = json.dumps({"started": 1, "candidate": "decision_tree"}) + "\n"
    place.write_text(line * 2)
    _, trials, _ = searched(place, spec("decision_tree", trials=4))
    assert [t["state"] for t in trials] == ["complete", "failed", "complete", "complete"]
    assert "again when it was repeated" in trials[1]["error"]


def test_one_process_at_a_time_searches_in_a_study(tmp_path):
    with Journal(tmp_path / "s.jsonl"), pytest.raises(Conflict, match="another process"):
        Journal(tmp_path / "s.jsonl")


# -- failures and bad spaces -----------------------------------------------------------------------


class Greedy(DecisionTree):
    def fit(self, estimator, X, y, around):
        if estimator[-1].max_depth not in (None, 8):
            raise MemoryError("no room for 9 GB")
        super().fit(estimator, X, y, around)

    def space(self, trial):
        return {"max_depth": trial.suggest_int("max_depth", 2, 8)}


@pytest.fixture
def greedy():
    candidates.register("greedy")(Greedy)
    yield
    del candidates._items["greedy"]


def test_a_trial_out_of_memory_fails_with_its_reason_and_the_study_goes_on(greedy):
    _, trials, _ = searched(None, spec("greedy", "decision_tree", trials=12))
    failed = [t for t in trials if t["state"] == "failed"]
    assert failed and len(trials) == 12
    assert {t["error"] for t in failed} == {"MemoryError: no room for 9 GB"}


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"max_depth": {"low": 9, "high": 3}}, "low 9 above high 3"),
        ({"ccp_alpha": {"low": 0.0, "high": 1.0, "log": True}}, "a low above 0"),
        ({"max_depth": []}, "at least one value"),
        ({"max_depth": {"low": 1}}, "a table with low and high"),
        ({"max_deepth": 3}, "max_deepth"),
    ],
)
def test_a_space_that_contradicts_itself_is_refused(space, sentence):
    with pytest.raises(InvalidInput, match=sentence) as refused:
        searched(None, spec("decision_tree", trials=3, space={"decision_tree": space}))
    assert "train.space.decision_tree" in str(refused.value)


class Contradicts(DecisionTree):
    def space(self, trial):
        return {"max_depth": trial.suggest_int("max_depth", 8, 2)}


def test_so_is_one_of_a_candidates_own():
    candidates.register("contradicts")(Contradicts)
    try:
        with pytest.raises(InvalidInput, match=r"train\.space\.contradicts\.max_depth"):
            searched(None, spec("contradicts", trials=3))
    finally:
        del candidates._items["contradicts"]


def test_the_declared_space_takes_the_place_of_the_candidates_own():
    space = {"decision_tree": {"max_depth": [2, 3], "min_samples_leaf": 7, "criterion": ["gini"]}}
    _, trials, _ = searched(None, spec("decision_tree", trials=5, space=space))
    assert {t["params"]["min_samples_leaf"] for t in trials} == {7}
    assert {t["params"]["max_depth"] for t in trials[1:]} <= {2, 3}


# -- budgets, pruning, early stopping --------------------------------------------------------------


def test_the_cost_budget_ends_a_search():
    _, trials, _ = searched(None, spec("decision_tree", max_cost=1e-9, timeout="1m"))
    assert len(trials) == 1


def test_a_hopeless_trial_is_pruned_on_its_way():
    steps = []

    class Stepwise(DecisionTree):
        def fit(self, estimator, X, y, around: Fitting):
            worth = estimator[-1].max_depth or 100
            for step in range(10):
                steps.append(step)
                if around.prune(step, worth + step):
                    raise Pruned
            super().fit(estimator, X, y, around)

        def space(self, trial):
            return {"max_depth": trial.suggest_int("max_depth", 1, 60)}

    candidates.register("stepwise")(Stepwise)
    try:
        _, trials, _ = searched(None, spec("stepwise", trials=20, sampler="random"), rows=2_500)
    finally:
        del candidates._items["stepwise"]
    states = [t["state"] for t in trials]
    assert states.count("pruned") >= 3 and states.count("complete") >= 6
    assert len(steps) < 200
    assert all(len(t["steps"]) == 10 for t in trials if t["state"] == "complete")


def test_lightgbm_stops_early_and_the_refit_takes_what_it_settled_on():
    X, y, schema = mixed("binary", rows=2_500)
    space = {"lightgbm": {"n_estimators": 3_000, "num_leaves": 63, "learning_rate": 0.3}}
    wanted = spec("lightgbm", trials=1, space=space)
    (found,) = fit_candidates(X, y, schema, wanted, accuracy, 0, silent)
    assert 1 <= found.params["n_estimators"] < 500
    assert found.estimator[-1].booster_.num_trees() == found.params["n_estimators"]


def test_lightgbm_is_judged_by_the_rounds_that_its_refit_takes():
    X, y, schema = mixed("binary", rows=300)
    training, lightgbm = Training(X, y, schema, accuracy, 0), candidates.get("lightgbm")()
    assert len(training.folds) > 1
    params = {"n_estimators": 200, "learning_rate": 0.1, "num_leaves": 7}
    found = training.validate(lightgbm, params, early_stopping=True)
    again = training.validate(lightgbm, params | found.settled)
    assert found.settled["n_estimators"] < 200
    assert found.answers == pytest.approx(again.answers)
    assert (found.score, found.loss) == pytest.approx((again.score, again.loss))


def test_the_loss_decides_between_equal_scores():
    losses = [None, 0.5, 0.3, 0.3, float("nan")]
    trials = [
        Trial(n, "knn", "complete", {}, score=0.9, loss=loss) for n, loss in enumerate(losses)
    ]
    worse = Trial(9, "knn", "complete", {}, score=0.8, loss=0.1)
    assert best_of([worse, *trials]).number == 2
    pair = [Fitted(name, {}, None, 0.0, 0.9, loss=loss) for name, loss in (("a", 0.4), ("b", 0.2))]
    assert max(pair, key=lambda fitted: fitted.worth).name == "b"


# -- workers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "kind"), [("1", InlineWorkers), ("2", ProcessWorkers)])
def test_workers_keep_to_the_cores_of_a_container(monkeypatch, limit, kind):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", limit)
    X, y, schema = mixed("binary", rows=60)
    training = Training(X, y, schema, accuracy, 0)
    made = make_workers(training, SearchSpec(timeout="10s", workers=0), silent)
    made.close()
    assert type(made) is kind and made.capacity <= int(limit)


def test_two_processes_try_what_one_would(tmp_path):
    names = ("decision_tree", "logistic_regression")
    alone, _, _ = searched(None, spec(*names, trials=2))
    both, trials, _ = searched(None, spec(*names, trials=2, workers=2))
    scores = {f.name: f.score for f in alone if f.name in names}
    assert {t["candidate"]: t["score"] for t in trials} == scores
    assert [f.params for f in both] == [f.params for f in alone]  # the ensemble's too
    assert both[0].name == alone[0].name


DEADLY = """
import os
from everloop.train.candidates.decision_tree import DecisionTree
class Deadly(DecisionTree):
    def fit(self, estimator, X, y, around):
        if estimator[-1].max_depth == 3:
            os.kill(os.getpid(), 9)
        super().fit(estimator, X, y, around)
    def space(self, trial):
        return {"max_depth": trial.suggest_categorical("max_depth", [3, 4])}
"""


def test_a_process_that_is_killed_fails_its_trial_alone(tmp_path, monkeypatch):
    (tmp_path / "deadly_models.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(tmp_path)
    name = "deadly_models:Deadly"
    found, trials, _ = searched(None, spec(name, trials=4, executor="processes", sampler="grid"))
    sys.modules.pop("deadly_models", None)
    assert sorted(t["state"] for t in trials) == ["complete", "complete", "failed"]
    failed = next(t for t in trials if t["state"] == "failed")
    assert "ended with -9, often for lack of memory" in failed["error"]
    assert found[0].score is not None


def test_a_process_that_is_killed_between_two_trials_costs_none(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    X, y, schema = mixed("binary", rows=60)
    workers = ProcessWorkers(Training(X, y, schema, accuracy, 0), 1, silent)

    def tried(number: int) -> Done:
        workers.start(Job(number, "decision_tree", {}, early_stopping=False))
        done = workers.wait(lambda *_: False)
        assert done is not None and done.error is None
        return done

    try:
        first = tried(0)
        (idle,) = workers._idle
        idle.process.kill()
        idle.process.wait()
        assert tried(1).score == first.score
        assert list(tmp_path.iterdir()) == []  # the rows are in no file that a kill would leave
    finally:
        workers.close()


def test_ray_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("everloop.train.search.workers.ray.has_module", lambda name: False)
    with pytest.raises(Exception, match=r"everloop\[ray\]"):
        searched(None, spec("decision_tree", trials=2, executor="ray"))
