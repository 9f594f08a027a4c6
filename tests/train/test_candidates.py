"""That candidates learn, in whatever unit the data is, and draw spaces that build."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from mixed import mixed
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, Lasso
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from everloop.data.schema import Feature, Schema
from everloop.extensions import candidates
from everloop.train.candidates.lightgbm import FEW_ROWS
from everloop.train.cores import cores
from everloop.train.fitting import Fitting
from everloop.train.predictions import predict

NAMES = ["elastic_net", "hist_gradient_boosting", "knn", "lasso", "mlp", "naive_bayes", "svm"]


def numbers(columns: int, task: str, classes=()) -> Schema:
    return Schema(tuple(Feature(f"x{i}", "number") for i in range(columns)), "y", task, classes)


def fitted(name, X, y, schema, **params):
    candidate = candidates.get(name)()
    estimator = candidate.build(schema, schema.task, 0, candidate.defaults(len(X)) | params)
    candidate.fit(estimator, X, y, Fitting())
    return estimator


@pytest.mark.parametrize("name", [n for n in NAMES if n != "naive_bayes"])
@pytest.mark.parametrize("unit", [1e-3, 1e4])
def test_regression_in_any_unit_beats_the_mean(name, unit):
    X, y = load_diabetes(return_X_y=True)
    learnt = fitted(name, X[:300], y[:300] * unit, numbers(10, "regression"))
    pred, _ = predict(learnt, X[300:], numbers(10, "regression"))
    left = np.mean((pred - y[300:] * unit) ** 2) / np.var(y[300:] * unit)
    assert left < 0.8


def test_few_rows_are_boosted_by_one_thread_and_many_by_all():
    X, y = load_diabetes(return_X_y=True)
    schema = numbers(10, "regression")
    many = np.tile(X, (FEW_ROWS // len(X) + 1, 1)), np.tile(y, FEW_ROWS // len(X) + 1)
    for (rows, target), threads in (((X, y), 1), (many, cores())):
        learnt = fitted("lightgbm", rows, target, schema, n_estimators=3)
        assert learnt[-1].n_jobs == threads


@pytest.mark.parametrize("name", [n for n in NAMES if "boost" not in n])
def test_a_drawn_setting_builds_and_fits(name):
    candidate = candidates.get(name)()
    task = sorted(candidate.tasks)[0]
    X, y, schema = mixed(task, rows=120)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    params = candidate.space(study.ask())
    assert set(params) <= set(candidate.defaults(120)) | set(candidate.space(study.ask()))
    assert np.isfinite(predict(fitted(name, X, y, schema, **params), X, schema)[0]).all()


@pytest.mark.parametrize(("name", "model"), [("lasso", Lasso), ("elastic_net", ElasticNet)])
def test_penalised_least_squares_are_scikit_learns_own(name, model):
    X, y = load_diabetes(return_X_y=True)
    ours, _ = predict(fitted(name, X, y, numbers(10, "regression")), X, numbers(10, "regression"))
    scaled = StandardScaler().fit_transform(X)
    theirs = model(alpha=0.01, max_iter=5_000).fit(scaled, (y - y.mean()) / y.std())
    np.testing.assert_allclose(ours, theirs.predict(scaled) * y.std() + y.mean(), rtol=1e-6)


def classes(rows: int = 400):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, rows)
    return rng.normal(size=(rows, 4)) + y[:, None] * [1.0, -1.0, 0.0, 0.5], y


def test_neighbours_and_bayes_are_scikit_learns_own_without_ties_and_levels():
    X, y = classes()
    schema = numbers(4, "multiclass", (0, 1, 2))
    scaler = StandardScaler().fit(X)
    new = np.random.default_rng(1).normal(size=(200, 4))
    pairs = [
        ("knn", {"n_neighbors": 7}, KNeighborsClassifier(7)),
        ("naive_bayes", {"var_smoothing": 1e-9}, GaussianNB()),
    ]
    for name, params, theirs in pairs:
        ours = predict(fitted(name, X, y, schema, **params), new, schema)[1]
        theirs.fit(scaler.transform(X), y)
        np.testing.assert_allclose(ours, theirs.predict_proba(scaler.transform(new)), atol=1e-6)


def test_equally_near_rows_count_alike_in_any_order():
    X = np.repeat([[0.0], [1.0]], 50, axis=0)
    y = np.tile([0, 1], 50)
    schema = numbers(1, "binary", (0, 1))
    for order in (np.arange(100), np.argsort(y, kind="stable")):
        proba = predict(fitted("knn", X[order], y[order], schema), X[:1], schema)[1]
        np.testing.assert_allclose(proba, [[0.5, 0.5]])


def test_naive_bayes_says_nothing_of_a_missing_level():
    schema = Schema((Feature("c", "category", ("a", "b")),), "y", "binary", (0, 1))
    X = np.repeat([[0.0], [1.0]], 100, axis=0)
    y = np.repeat([0, 1], 100)
    proba = predict(fitted("naive_bayes", X, y, schema), np.array([[-1.0], [0.0]]), schema)[1]
    np.testing.assert_allclose(proba[0], [0.5, 0.5])
    assert proba[1, 0] > 0.95


def test_support_vector_regression_is_scikit_learns_own():
    X, y = load_diabetes(return_X_y=True)
    ours, _ = predict(fitted("svm", X, y, numbers(10, "regression")), X, numbers(10, "regression"))
    scaled, z = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    theirs = SVR(gamma="scale").fit(scaled, z).predict(scaled) * y.std() + y.mean()
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_probabilities_of_the_support_vectors_are_honest():
    X, y = classes(1_200)
    schema = numbers(4, "binary", (0, 1))
    y = (y == 2).astype(np.int64)
    proba = predict(fitted("svm", X[:600], y[:600], schema), X[600:], schema)[1][:, 1]
    assert abs(proba.mean() - y[600:].mean()) < 0.05
    assert np.mean((proba - y[600:]) ** 2) < 0.7 * np.var(y[600:])


def test_a_sample_of_many_rows_keeps_every_class():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9_000, 2)), rng.integers(0, 2, 9_000)
    y[8_999] = 2
    learnt = fitted("knn", X, y, numbers(2, "multiclass", (0, 1, 2)))
    assert list(learnt.steps[-1][1].classes_) == [0, 1, 2]
    assert len(learnt.steps[-1][1].points_) <= 4_003
