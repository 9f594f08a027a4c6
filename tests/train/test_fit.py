from __future__ import annotations

import itertools
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from mixed import mixed

from everloop.errors import InvalidInput
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.candidates.linear_regression import LinearRegression
from everloop.train.fit import fit_candidates
from everloop.train.onnx import to_onnx
from everloop.train.spec import SearchSpec, TrainSpec


def accuracy(y, pred, proba):
    return float(np.mean(y == pred))


def negative_error(y, pred, proba):
    return -float(np.mean((y - pred) ** 2))


def silent(kind, event):
    pass


def test_the_best_on_validation_comes_first_and_is_fitted_on_all_rows():
    X, y, schema = mixed("binary")
    seen = []
    spec = TrainSpec(("logistic_regression", "lightgbm", "decision_tree"))
    found = fit_candidates(
        X, y, schema, spec, accuracy, 0, lambda kind, event: seen.append((kind, event))
    )
    scores = [f.score for f in found]
    assert scores == sorted(scores, reverse=True)
    assert found[0].name == "lightgbm"  # the signal is a square: no line can follow it
    assert found[0].estimator is not None and found[1].estimator is None
    assert [kind for kind, _ in seen] == ["candidate"] * 3 + ["validation", "baseline", "refit"]
    assert seen[-1][1]["rows"] == len(X)


@pytest.mark.parametrize("how", ["few rows", "kept", "many values"])
def test_a_single_candidate_is_scored_where_that_is_quick_and_its_baseline_always(how, monkeypatch):
    X, y, schema = mixed("regression")
    fits, seen = [], {}
    fit = LinearRegression.fit
    monkeypatch.setattr(LinearRegression, "fit", lambda *a: fits.append(len(a[2])) or fit(*a))
    if how == "many values":
        monkeypatch.setattr("everloop.train.fit.SCORED_VALUES", X.size - 1)
    spec, keep = TrainSpec(("linear_regression",)), {} if how == "kept" else None
    (only,) = fit_candidates(X, y, schema, spec, negative_error, 0, seen.__setitem__, keep=keep)
    floor = seen["baseline"]["score"]
    assert only.estimator.predict(X).shape == y.shape
    if how == "few rows":
        assert only.score > floor and len(fits) == 6
    else:
        assert only.score is None and fits == [len(X)]


def test_the_baseline_of_very_many_rows_reads_some_of_them(monkeypatch):
    X, y, schema = mixed("regression", rows=30_000)
    scored = []

    def error(y, pred, proba):
        scored.append(len(y))
        return negative_error(y, pred, proba)

    monkeypatch.setattr("everloop.train.baseline.MOST_ROWS", 10_000)
    fit_candidates(X, y, schema, TrainSpec(("ridge",)), error, 0, silent, keep={"alpha": 1.0})
    assert scored == [2_000]


def test_the_same_seed_gives_the_same_answers():
    X, y, schema = mixed("binary", rows=2_000)  # enough for one validation part
    spec = TrainSpec(("extra_trees", "lightgbm"), SearchSpec(trials=4, timeout="1m"))
    first, second = (fit_candidates(X, y, schema, spec, accuracy, 5, silent)[0] for _ in range(2))
    assert first.params == second.params and first.score == second.score
    np.testing.assert_array_equal(
        first.estimator.predict_proba(X), second.estimator.predict_proba(X)
    )


def test_search_reports_each_trial_and_is_never_worse_than_the_defaults():
    X, y, schema = mixed("regression")
    trials = []
    spec = TrainSpec(("ridge",), SearchSpec(trials=6, timeout="1m"))
    report = lambda kind, event: trials.append(event) if kind == "trial" else None  # noqa: E731
    found, *_ = fit_candidates(X, y, schema, spec, negative_error, 0, report)
    assert len(trials) == 6
    assert trials[0]["params"] == {"alpha": 1.0}
    assert found.score == max(t["score"] for t in trials) >= trials[0]["score"]


def test_search_stops_at_its_timeout(monkeypatch):
    X, y, schema = mixed("regression")
    # Each look at the clock takes a hundredth of a second, on whatever machine.
    ticks = itertools.count(time.monotonic(), 0.01)
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr("everloop.train.search.budget.time", clock)
    trials = []
    spec = TrainSpec(("ridge",), SearchSpec(trials=10_000, timeout="1s"))
    fit_candidates(X, y, schema, spec, negative_error, 0, lambda *event: trials.append(event))
    assert 1 < len(trials) < 10_000


def test_time_ordered_rows_are_validated_on_later_ones():
    X, y, schema = mixed("regression", rows=3_000)
    X[:, 1] = np.arange(3_000)
    seen = []

    def score(y_true, pred, proba):
        seen.append(y_true)
        return 0.0

    fit_candidates(
        X, y, schema, TrainSpec(("ridge", "decision_tree")), score, 0, silent, time_ordered=True
    )
    np.testing.assert_array_equal(seen[0], y[2_400:])


class Broken(Candidate):
    tasks = frozenset({"binary"})

    def build(self, schema, task, seed, params):
        raise MemoryError("no room")


@pytest.fixture
def broken():
    candidates.register("broken")(Broken)
    yield
    del candidates._items["broken"]


def test_a_candidate_that_fails_is_reported_and_the_others_go_on(broken):
    X, y, schema = mixed("binary")
    failed = []
    report = lambda kind, event: failed.append(event) if kind == "failed" else None  # noqa: E731
    spec = TrainSpec(("broken", "decision_tree"))
    found = fit_candidates(X, y, schema, spec, accuracy, 0, report)
    assert [f.name for f in found] == ["decision_tree"]
    assert failed == [{"candidate": "broken", "error": "MemoryError: no room"}]
    with pytest.raises(InvalidInput, match="MemoryError: no room"):
        fit_candidates(X, y, schema, TrainSpec(("broken",)), accuracy, 0, silent)


OWN = """
from sklearn.linear_model import ElasticNet, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
class Gentle(ElasticNet):
    pass
class NoModel:
    pass
class Unknown:
    fits = []
    def fit(self, X, y):
        self.fits.append(len(X))
        self.classes_ = sorted(set(y))
        return self
    def predict_proba(self, X):
        return [[1 / len(self.classes_)] * len(self.classes_) for _ in X]
    def predict(self, X):
        return [self.classes_[0]] * len(X)
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_models", None)


def test_the_users_own_estimator_is_one_line(own_module):
    X, y, schema = mixed("multiclass")
    spec = TrainSpec(("my_models:GaussianNB", "decision_tree"))
    found = fit_candidates(X, y, schema, spec, accuracy, 0, silent)
    assert {f.name for f in found} == set(spec.candidates)
    (alone,) = fit_candidates(X, y, schema, TrainSpec(spec.candidates[:1]), accuracy, 0, silent)
    assert to_onnx(alone.estimator, schema, X)


def test_what_cannot_be_served_is_known_before_a_search_of_it(own_module):
    X, y, schema = mixed("multiclass")
    search, seen = SearchSpec(trials=4), []
    alone = TrainSpec(("my_models:Unknown",), search)
    with pytest.raises(InvalidInput, match="Unknown, which cannot be exported to ONNX") as refused:
        fit_candidates(X, y, schema, alone, accuracy, 0, lambda *told: seen.append(told))
    assert len(sys.modules["my_models"].Unknown.fits) == 1
    assert refused.value.code == "not_exportable"
    both = TrainSpec(("my_models:Unknown", "decision_tree"), search)
    found = fit_candidates(X, y, schema, both, accuracy, 0, lambda *told: seen.append(told))
    assert "my_models:Unknown" not in {f.name for f in found}
    failed = [facts for stage, facts in seen if stage == "failed"]
    assert [facts["error"] for facts in failed] == [refused.value.message] * 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("my_models:Gentel", 'Did you mean "my_models:Gentle"'),
        ("my_models:NoModel", "a class with fit and predict"),
        ("not_there:Model", "a module that imports.*No module named"),
        ("my_models:RidgeClassifier", "needs predict_proba"),
        ("lightgmb", 'Did you mean "lightgbm"'),
        ("ridge", "a candidate for binary"),
    ],
)
def test_a_candidate_that_cannot_be_used_is_refused(own_module, name, sentence):
    X, y, schema = mixed("binary")
    with pytest.raises(InvalidInput, match=sentence):
        fit_candidates(X, y, schema, TrainSpec((name,)), accuracy, 0, silent)
