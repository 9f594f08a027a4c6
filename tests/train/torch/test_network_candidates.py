from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from shapes import images, sequences, texts

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.extensions import candidates
from everloop.train.fitting import Fitting, Pruned
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict

SMALL = {
    "width": 16,
    "hidden": 32,
    "layers": 1,
    "patience": 15,
    "epochs": 15,
    "learning_rate": 0.01,
}


def fitted(name, X, y, schema, around=None, **params):
    candidate = candidates.get(name)()
    chosen = candidate.defaults(len(X)) | SMALL | params
    estimator = candidate.build(schema, schema.task, 0, chosen)
    candidate.fit(estimator, X, y, around or Fitting())
    return estimator


@pytest.mark.parametrize(
    ("name", "make", "least"),
    [
        ("cnn", images, 0.95),
        ("rnn", sequences, 0.9),
        ("lstm", sequences, 0.9),
        ("gru", texts, 0.8),
        ("transformer", texts, 0.9),
        ("torch_mlp", texts, 0.0),  # the order of words is nothing to it
    ],
)
def test_a_network_learns_what_it_reads_and_answers_the_same_in_onnx(name, make, least):
    X, y, schema = make(600)
    estimator = fitted(name, X, y, schema)
    new, truth, _ = make(400, seed=5)
    pred, _ = predict(estimator, new, schema)
    assert np.mean(pred == truth) >= least
    model = to_onnx(estimator, schema, X)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    empty = np.full((1, schema.width), np.nan)
    for rows in (new, new[:1], empty, np.where(np.isnan(new), np.nan, -1.0)):
        label, probabilities = session.run(["label", "probabilities"], {"X": rows})
        wanted, known = predict(estimator, rows, schema)
        np.testing.assert_allclose(probabilities, known, atol=2e-6)
        clear = np.abs(known[:, 0] - known[:, 1]) > 1e-5
        np.testing.assert_array_equal(label[clear], wanted[clear])


@pytest.mark.parametrize("name", ["cnn", "rnn", "lstm", "gru", "transformer"])
def test_a_network_without_what_it_reads_is_refused(name):
    schema = Schema((Feature("a", "number"),), "y", "binary", ("no", "yes"))
    with pytest.raises(InvalidInput, match=rf"got {name!r}|{name}.*expected a feature of the kind"):
        candidates.get(name)().build(schema, "binary", 0, {})


def test_a_device_that_is_not_here_is_refused_in_a_sentence():
    X, y, schema = images(50)
    with pytest.raises(InvalidInput, match=r"train\.device: .*cuda:99.*sees \d+ CUDA devices"):
        fitted("torch_mlp", X, y, schema, Fitting(device="cuda:99"))
    with pytest.raises(InvalidInput, match=r"train\.device: .*gpu"):
        fitted("torch_mlp", X, y, schema, Fitting(device="gpu"))


def test_it_stops_early_keeps_the_best_epoch_and_reports_each():
    X, y, schema = images(300)
    told: list[tuple[str, dict]] = []
    noise = np.random.default_rng(1).integers(0, 2, 100)  # nothing to learn: it gets worse
    around = Fitting(validation=(X[:100], noise), report=lambda *fact: told.append(fact))
    estimator = fitted("torch_mlp", X, y, schema, around, epochs=40, patience=3)
    assert told[0][0] == "device" and told[0][1]["device"] in ("cpu", "cuda")
    epochs = [facts for stage, facts in told if stage == "epoch"]
    assert [facts["epoch"] for facts in epochs] == list(range(1, len(epochs) + 1))
    assert len(epochs) < 40
    curve = [facts["validation_loss"] for facts in epochs]
    assert len(curve) - 1 - int(np.argmin(curve)) == 3
    proba = estimator.predict_proba(X[:100])
    loss = -np.log(proba[np.arange(100), noise]).mean()
    assert loss == pytest.approx(min(curve), rel=1e-4)


def test_a_hopeless_trial_is_pruned_by_its_validation_score():
    X, y, schema = images(200)
    seen: list[tuple[int, float]] = []

    def prune(step, score):
        seen.append((step, score))
        return step == 2

    around = Fitting(validation=(X[:50], y[:50]), prune=prune)
    with pytest.raises(Pruned):
        fitted("torch_mlp", X, y, schema, around)
    assert [step for step, _ in seen] == [1, 2] and all(score < 0 for _, score in seen)


def test_the_same_seed_makes_the_same_network():
    X, y, schema = sequences(200)
    first, again = (fitted("gru", X, y, schema, epochs=2) for _ in range(2))
    assert first.history_ == again.history_
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))


def test_weights_count():
    X, y, schema = images(200)
    weights = np.where(y == 1, 1.0, 1e-6)
    estimator = fitted("torch_mlp", X, y, schema, Fitting(weights=weights), epochs=3)
    assert np.mean(estimator.predict(X) == 1) > 0.95


def test_a_network_learns_several_labels_at_once():
    X, y, schema = images(200)
    bright = (np.nan_to_num(X, nan=100.0).mean(axis=1) > 110).astype(np.int64)
    both = np.column_stack([(y == 1).astype(np.int64), bright])
    schema = Schema(schema.features, "labels", "multilabel", ("one", "bright"))
    estimator = fitted("cnn", X, both, schema, epochs=8)
    pred, known = predict(estimator, X, schema)
    assert np.mean(pred == both) > 0.8
    session = onnxruntime.InferenceSession(to_onnx(estimator, schema, X))
    label, probabilities = session.run(["label", "probabilities"], {"X": X})
    np.testing.assert_allclose(probabilities, known, atol=2e-6)
    np.testing.assert_array_equal(label, pred)
