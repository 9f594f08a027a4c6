"""Ensembles of a search's trials: chosen by evidence, one graph, trained again as they are."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from mixed import mixed, with_holes

from everloop.errors import InvalidInput
from everloop.evaluate.metrics import get_metric
from everloop.train.check import check_spec, find_candidate
from everloop.train.fit import fit_candidates
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.search.answers import AnswerStore
from everloop.train.search.blending import Blender
from everloop.train.search.records import Trial
from everloop.train.spec import PrepareSpec, SearchSpec, TrainSpec
from everloop.train.training import Training

LINEAR = {"regression": "ridge", "binary": "logistic_regression"}


def told(name, weight, **params):
    return {"algorithm": name, "params": params, "weight": weight}


def members(task):
    return [
        told(LINEAR.get(task, "logistic_regression"), 0.4),
        told("lightgbm", 0.3, n_estimators=20),
        told("extra_trees", 0.2, n_estimators=20),
        told("knn", 0.1, n_neighbors=7),
    ]


def fitted(task, params, rows=700, prepare=None):
    X, y, schema = mixed(task, rows=rows)
    spec = TrainSpec(("ensemble",), prepare=prepare or PrepareSpec())
    best = fit_candidates(
        X,
        y,
        schema,
        spec,
        get_metric("rmse" if task == "regression" else "log_loss").score,
        0,
        print,
        keep=params,
    )[0]
    return best.estimator, X, schema


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("prepare", [PrepareSpec(), PrepareSpec(missing="mean", rare=0.05)])
def test_the_one_graph_answers_what_python_answers(task, prepare):
    estimator, X, schema = fitted(task, {"members": members(task)}, prepare=prepare)
    graph = to_onnx(estimator, schema, X)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    rows = with_holes(mixed(task, rows=10_000, seed=5)[0])
    pred, proba = predict(estimator, rows, schema)
    answers = session.run(None, {"X": rows})
    if task == "regression":
        assert np.abs(answers[0] - pred).max() <= 1e-5 * np.abs(pred).max()
        return
    assert np.abs(answers[1] - proba).max() <= 1e-5
    ordered = np.sort(proba, axis=1)
    surely = ordered[:, -1] - ordered[:, -2] > 2e-5
    assert np.array_equal(answers[0][surely], pred[surely])


def test_a_class_that_was_not_in_training_has_no_probability():
    X, y, schema = mixed("multiclass", rows=400)
    kept = y != 1
    spec = TrainSpec(("ensemble",))
    params = {"members": members("multiclass")}
    scored = get_metric("accuracy").score
    best = fit_candidates(X[kept], y[kept], schema, spec, scored, 0, print, keep=params)[0]
    session = onnxruntime.InferenceSession(to_onnx(best.estimator, schema, X))
    label, proba = session.run(None, {"X": X})
    assert proba.shape == (400, 3) and not proba[:, 1].any() and set(label) == {0, 2}


class Known:
    """Answers of given models to rows that are all validated, in parts of equal size."""

    def __init__(self, task, rows=1_000, parts=4, seed=0):
        _, _, schema = mixed(task, rows=10)
        rng = np.random.default_rng(seed)
        self.rng = rng
        self.truth = rng.normal(size=rows) if task == "regression" else rng.integers(2, size=rows)
        order = np.array_split(np.arange(rows), parts)
        pairs = [(np.setdiff1d(np.arange(rows), part), part) for part in order]
        metric = get_metric("r2" if task == "regression" else "roc_auc")
        X = np.zeros((rows, schema.width))
        self.training = Training(X, self.truth, schema, metric.score, 0, parts=pairs)

    def noisy(self, spread):
        answer = self.truth + self.rng.normal(0, spread, len(self.truth))
        if self.training.schema.numeric:
            return answer
        second = 1 / (1 + np.exp(-answer))
        return np.column_stack([1 - second, second])

    def blend(self, *answers):
        return Blender(self.training, list(answers)).blend()


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_models_with_errors_of_their_own_are_better_together(task):
    known = Known(task)
    blend = known.blend(*(known.noisy(0.8) for _ in range(4)))
    assert blend is not None and blend.better and len(blend.weights) >= 3
    assert blend.score > blend.single and sum(blend.weights.values()) == pytest.approx(1)


def test_copies_of_one_model_and_useless_ones_are_no_ensemble():
    known = Known("regression")
    good = known.noisy(0.1)
    for blend in (known.blend(good, good), known.blend(good, known.noisy(5.0))):
        assert blend is not None and not blend.better
    assert known.blend(good) is None


def test_a_mean_that_is_hardly_better_is_not_chosen():
    for seed in range(20):
        known = Known("binary", rows=200, seed=seed)
        base = known.noisy(1.0)
        near = np.clip(base + known.rng.normal(0, 0.002, (200, 1)) * [[-1, 1]], 0, 1)
        blend = known.blend(base, near)
        assert blend is not None and not blend.better


def test_a_mean_that_loses_less_but_is_surely_worse_by_the_metric_is_not_chosen():
    known = Known("binary")
    timid, vague = 0.5 + 0.01 * (known.noisy(0.5) - 0.5), known.noisy(4.0)
    blend = known.blend(timid, vague)  # the one ranks best, the other alone says much
    assert blend is not None and len(blend.weights) > 1 and blend.score < blend.single
    assert not blend.better and blend.gain > 0


def test_no_more_than_five_models_are_served():
    known = Known("regression")
    blend = known.blend(*(known.noisy(1.0) for _ in range(12)))
    assert blend is not None and len(blend.weights) == 5


def test_only_the_best_answers_are_kept(tmp_path):
    store, trials = AnswerStore(tmp_path / "study.answers"), []
    scores = [("knn", 0.5), ("ridge", 0.2), ("knn", 0.4), ("knn", 0.7), ("ridge", 0.2)]
    for number, (name, score) in enumerate(scores):
        trials.append(Trial(number, name, "complete", {}, score=score))
        store.keep(number, np.full(3, float(number)), trials)
    assert [store.get(n, 3) is not None for n in range(5)] == [False, True, False, True, False]
    assert store.get(3, 3).tolist() == [3.0] * 3
    assert store.get(3, 4) is None  # of other rows
    (tmp_path / "study.answers" / "1.npy").write_bytes(b"torn")
    assert store.get(1, 3) is None


NAMES = ("decision_tree", "knn", "logistic_regression")


def search(place, **more):
    X, y, schema = mixed("binary", rows=300)
    events = []
    spec = TrainSpec(NAMES, SearchSpec(trials=8), **more)
    score = get_metric("roc_auc").score
    found = fit_candidates(
        X, y, schema, spec, score, 0, lambda *event: events.append(event), study=place
    )
    return found, dict(events), (X, schema)


def test_a_search_puts_an_ensemble_into_the_table_and_a_taken_up_one_the_same(tmp_path):
    found, events, (X, schema) = search(tmp_path / "s.jsonl")
    (line,) = [f for f in found if f.name == "ensemble"]
    assert events["ensemble"]["chosen"] == (found[0] is line)
    assert {m["algorithm"] for m in line.params["members"]} <= set(NAMES)
    again, later, _ = search(tmp_path / "s.jsonl")
    assert "trial" not in later
    assert [f.params for f in again if f.name == "ensemble"] == [line.params]
    assert "ensemble" not in [f.name for f in search(tmp_path / "s.jsonl", ensemble=False)[0]]
    assert to_onnx(found[0].estimator, schema, X)


def test_probabilities_of_an_ensemble_are_calibrated_and_cut_like_all_others():
    X, y, schema = mixed("binary", rows=400)
    spec = TrainSpec(("ensemble",), calibrate="platt", threshold="metric")
    parts = members("binary")[:2]
    scored = get_metric("f1").score
    best = fit_candidates(X, y, schema, spec, scored, 0, print, keep={"members": parts})[0]
    assert best.prepared["calibration"] == "platt" and 0 < best.prepared["threshold"] < 1
    assert to_onnx(best.estimator, schema, X)


def test_an_ensemble_is_not_named_among_the_candidates():
    with pytest.raises(InvalidInput, match=r"train\.candidates\[1\].*ensemble"):
        check_spec(TrainSpec(("ridge", "ensemble")))
    with pytest.raises(InvalidInput, match="an ensemble is made of their trials"):
        _, _, schema = mixed("binary", rows=10)
        find_candidate("ensemble").build(schema, "binary", 0, {})
