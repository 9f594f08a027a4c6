"""Preparation as part of training: any candidate behind it, exported as one graph."""

import numpy as np
import onnxruntime
import pytest
from mixed import mixed, with_holes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from everloop.train import onnx as export
from everloop.train.fit import fit_candidates
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.prepared import Behind, Prepared
from everloop.train.spec import PrepareSpec, TrainSpec

MUCH = PrepareSpec(
    missing="iterative", indicator=True, outliers="drop", categories="target", dates="cyclic"
)


def silent(*_):
    pass


def accuracy(y, pred, proba, groups=None):
    return float((y == pred).mean())


@pytest.mark.parametrize("name", ["logistic_regression", "lightgbm", "random_forest"])
def test_a_prepared_candidate_is_one_graph_over_rows_as_they_come(name):
    X, y, schema = mixed("multiclass")
    (best,) = fit_candidates(X, y, schema, TrainSpec((name,), prepare=MUCH), accuracy, 0, silent)
    assert best.prepared["dropped_rows"] > 0
    new, _, _ = mixed("multiclass", rows=10_000, seed=5)
    new = with_holes(new)
    session = onnxruntime.InferenceSession(to_onnx(best.estimator, schema, X))
    label, probabilities = session.run(["label", "probabilities"], {"X": new})
    pred, proba = predict(best.estimator, new, schema)
    np.testing.assert_allclose(probabilities, proba, atol=1e-5)
    ranked = np.sort(proba, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 2e-5
    np.testing.assert_array_equal(label[clear], pred[clear])


def test_validation_parts_are_prepared_on_what_is_fitted_there():
    X, y, schema = mixed("binary")
    spec = TrainSpec(("logistic_regression", "decision_tree"), prepare=MUCH)
    found = fit_candidates(X, y, schema, spec, accuracy, 0, silent)
    assert all(f.score > 0.6 for f in found)


class OwnGraph:
    """An estimator that exports itself, over the prepared schema."""

    classes_ = np.array([0, 1])

    def __init__(self, pipeline, schema):
        self.pipeline, self.seen = pipeline, schema

    def predict_proba(self, X):
        return self.pipeline.predict_proba(X)

    def export_onnx(self, schema):
        assert schema == self.seen
        return export.exported(self.pipeline, schema)


def test_an_estimator_with_a_graph_of_its_own_gets_preparation_in_front():
    X, y, schema = mixed("binary")
    spec = PrepareSpec(missing="median", categories="one_hot")
    prepared = Prepared(X, y, schema, spec, 0)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(prepared.X, prepared.y)
    whole = prepared.whole(OwnGraph(model, prepared.schema))
    assert isinstance(whole, Behind)
    to_onnx(whole, schema, X)  # compares both
