"""The predictor answers what scikit-learn answers, and refuses models of another shape."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Package, read_package
from everloop.deploy.predictor import ModelFailure, Predictor
from everloop.deploy.state import package_path
from everloop.errors import Integrity, InvalidInput


def load(project, digest: str) -> Predictor:
    folder = package_path(project.state, digest)
    return Predictor(folder, read_package(folder, project.keys))


def test_regression_equals_scikit_learn(project, models):
    predictor = load(project, project.linear(shift=5.0))
    X = np.random.default_rng(2).normal(size=(100, 4))
    output = predictor.predict(X)
    assert output.probabilities is None
    np.testing.assert_allclose(output.y, models.linear(5.0).predict(X), rtol=1e-6, atol=1e-6)
    assert all(type(value) is float for value in output.y)


def test_classification_answers_classes_and_probabilities(project, models):
    width = models.MIXED.width
    predictor = load(project, project.mixed())
    X = np.random.default_rng(3).normal(size=(100, width))
    output = predictor.predict(X)
    expected = models.logistic(width)
    assert output.y == [("no", "yes")[code] for code in expected.predict(X)]
    np.testing.assert_allclose(output.probabilities, expected.predict_proba(X), atol=1e-6)


def test_a_model_that_is_no_onnx_or_takes_another_width_is_refused(project, models):
    with pytest.raises(Integrity, match="cannot be loaded"):
        load(project, project.package(b"nonsense", models.NUMBERS))
    with pytest.raises(Integrity, match="width 4"):
        load(project, project.package(models.onnx(models.logistic(3), 3), models.NUMBERS))
    narrow = Schema((Feature("a", "number"),), "y", "binary", ("n", "y"))
    with pytest.raises(Integrity, match="width 1"):
        load(project, project.package(models.onnx(models.linear(), 4), narrow))
    binary = Schema(models.NUMBERS.features, "y", "binary", ("n", "y"))
    with pytest.raises(Integrity, match="expected"):
        load(project, project.package(models.onnx(models.linear(), 4), binary))


def test_a_failure_of_the_model_is_told_apart(project, models):
    endless = models.linear()
    endless.intercept_ = np.array([np.inf])
    predictor = load(project, project.package(models.onnx(endless, 4), models.NUMBERS))
    with pytest.raises(ModelFailure, match="not finite"):
        predictor.predict(np.zeros((1, 4)))
    predictor = load(project, project.linear())
    with pytest.raises(InvalidInput, match=r"\$\[1\]\.x2: got None, expected a value"):
        predictor.predict(np.array([[0.0] * 4, [0, 0, np.nan, np.nan]]))
    with pytest.raises(ModelFailure, match="failed"):
        predictor.predict(np.zeros((1, 9)))


def test_a_class_beyond_the_schema_is_a_failure(project, models):
    schema = Schema(models.NUMBERS.features, "y", "binary", ("only",))
    digest = project.package(models.onnx(models.logistic(4), 4), schema)
    folder = package_path(project.state, digest)
    predictor = Predictor(folder, read_package(folder, project.keys))
    assert isinstance(predictor.package, Package)
    with pytest.raises(ModelFailure, match="class beyond 1"):
        predictor.predict(np.full((1, 4), 50.0))
