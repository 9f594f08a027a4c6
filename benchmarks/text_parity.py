"""Texts read by the sentence model: the packaged model against the Python pipeline, on 10,000 rows.

Run: python benchmarks/text_parity.py [ROWS] [ALGORITHM]

Short texts of two subjects are embedded and fitted; then as many texts as asked for, which training
has not seen, go through the pipeline and through the ONNX model as it would be served. It fails
when a probability differs by more than 1e-5, or a label that is no tie. The tests do the same with
500 rows for each family of algorithms, since the language model takes a few milliseconds a text.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import onnxruntime
import polars as pl

from everloop.data.encode import encode, encode_target
from everloop.data.infer import infer_schema
from everloop.data.spec import DataSpec
from everloop.train.fit import fit_candidates
from everloop.train.fitting import silent
from everloop.train.onnx import TOLERANCE, to_onnx
from everloop.train.predictions import predict
from everloop.train.spec import PrepareSpec, TrainSpec

ANIMALS = ("dog", "horse", "rabbit", "sheep", "pony", "goat", "mouse", "lion", "cow", "duck")
VEHICLES = ("car", "truck", "bus", "bicycle", "van", "tram", "lorry", "boat", "taxi", "plane")
SAID = ("I saw a {} {}", "we like this {} {}", "her old {}: {}", "{} {}", "no {} here, {}!")
MORE = ("today", "at noon", "by the river", "again", "in the street", "of ours", "", "für 5 £")
TRAINED = 400
AT_ONCE = 256


def texts(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 2, rows)
    nouns = np.array([ANIMALS, VEHICLES])[kinds, rng.integers(0, len(ANIMALS), rows)]
    said, more = rng.choice(SAID, rows), rng.choice(MORE, rows)
    numbers = rng.integers(0, 10_000, rows)
    made = [f"{s.format(n, m)} {k}" for s, n, m, k in zip(said, nouns, more, numbers, strict=True)]
    return pl.DataFrame({"text": made, "kind": np.array(["animal", "vehicle"])[kinds]})


def main() -> int:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    name = sys.argv[2] if len(sys.argv) > 2 else "logistic_regression"
    frame = texts(TRAINED, 0)
    schema = infer_schema(frame, DataSpec("x", "kind", text=("text",)), tokens="pieces").schema
    spec = TrainSpec((name,), prepare=PrepareSpec(text="embeddings"))
    X, y = encode(frame, schema), encode_target(frame, schema)
    best = fit_candidates(
        X, y, schema, spec, lambda y, pred, *_: float((y == pred).mean()), 0, silent
    )[0]
    session = onnxruntime.InferenceSession(to_onnx(best.estimator, schema, X))
    unseen = encode(texts(rows, 1), schema)
    began = time.perf_counter()
    codes, expected = predict(best.estimator, unseen, schema)
    python, began = time.perf_counter() - began, time.perf_counter()
    parts = [session.run(None, {"X": unseen[i : i + AT_ONCE]}) for i in range(0, rows, AT_ONCE)]
    packaged = time.perf_counter() - began
    labels, proba = (np.concatenate(same) for same in zip(*parts, strict=True))
    worst = float(np.abs(proba - expected).max())
    clear = np.abs(expected[:, 1] - 0.5) > 2 * TOLERANCE
    wrong = int((labels != codes)[clear].sum())
    print(f"{rows:,} texts of at most {schema.width} pieces, {name}")
    print(f"pipeline {python:.1f} s, packaged model {packaged:.1f} s")
    print(f"largest difference of a probability {worst:.2g} (at most {TOLERANCE:g})")
    print(f"other labels {wrong} of {int(clear.sum()):,} that are no ties")
    return int(worst > TOLERANCE or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
