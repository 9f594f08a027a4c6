"""Any body, at any protocol: an answer or a refusal with a sentence, never a failure.

The application runs in this process; each example asks it once and then looks whether it still
answers and whether each answer, and nothing else, is in the log.
"""

from __future__ import annotations

import json
import logging
import struct

import numpy as np
import onnx
import pytest
from bodies import (
    CSV,
    GOOD,
    MATRIX,
    MLFLOW,
    NATIVE,
    RAW,
    TEXT,
    V2,
    X,
    anything,
    broken,
    damaged,
    dumped,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import Plane
from serving_harness import ROW

from everloop.deploy.state import Arm

fuzzed = settings(
    max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
# The fixture is shared by all examples; so is the plane by all callers.
PATHS = sorted({path for path, _ in GOOD} | {"/v1/models/trips:explain"})


def imputing(model: bytes) -> bytes:
    """The model with 0 in place of what is missing."""
    found = onnx.load_from_string(model)
    for node in found.graph.node:
        node.input[:] = ["full" if name == "X" else name for name in node.input]
    found.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1), "zero"))
    found.graph.node.insert(0, onnx.helper.make_node("IsNaN", ["X"], ["missing"]))
    found.graph.node.insert(1, onnx.helper.make_node("Where", ["missing", "zero", "X"], ["full"]))
    return found.SerializeToString()


@pytest.fixture(scope="module")
def plane(shared_project, models, tmp_path_factory):
    """Models that answer what is missing, as all do that a loop trains."""
    w = models.MIXED.width
    shared_project.want(
        flights=[
            Arm(
                1, shared_project.package(imputing(models.onnx(models.linear(), 4)), models.NUMBERS)
            )
        ],
        trips=[
            Arm(
                4,
                shared_project.package(imputing(models.onnx(models.logistic(w), w)), models.MIXED),
            )
        ],
    )
    plane = Plane(shared_project.state, tmp_path_factory.mktemp("log"))
    yield plane
    plane.close()


@pytest.fixture(autouse=True)
def quiet(plane, caplog):
    """Each test: nothing failed, and the log holds what was answered and nothing else."""
    before = len(plane.logged())
    plane.answered = 0
    with caplog.at_level(logging.ERROR):
        yield
    assert not caplog.records, caplog.text
    assert len(plane.logged()) - before == plane.answered


def ask(plane, path: str, body: bytes, **headers: str) -> int:
    status, said = plane.post(path, body, **headers)
    assert status < 500, (path, body, said)
    if status == 200:
        plane.answered += not path.endswith("/feedback")
    else:
        refusal = json.loads(said)
        sentence = refusal.get("message") or refusal["error"]
        sentence = sentence["message"] if isinstance(sentence, dict) else sentence
        assert len(sentence) < 2000, sentence
    return status


def test_the_corpus_is_answered(plane):
    for path, body in GOOD:
        assert ask(plane, path, dumped(body)) == 200, path
    path = MLFLOW.format("trips")
    assert ask(plane, path, CSV.encode(), content_type="text/csv") == 200


@fuzzed
@given(data=st.data())
def test_json_with_a_broken_place(plane, data):
    path, body = data.draw(st.sampled_from(GOOD))
    ask(plane, path, dumped(data.draw(broken(body))))


@fuzzed
@given(data=st.data())
def test_damaged_bytes(plane, data):
    path, body = data.draw(st.sampled_from(GOOD))
    ask(plane, path, data.draw(damaged(dumped(body))))


@fuzzed
@given(path=st.sampled_from(PATHS), value=anything, raw=st.binary(max_size=40))
def test_any_json_and_any_bytes(plane, path, value, raw):
    ask(plane, path, dumped(value))
    ask(plane, path, raw)


@fuzzed
@given(data=st.data())
def test_raw_tensors(plane, data):
    """The JSON, the length that the header claims, and the bytes behind, each broken or not."""
    texts = {"name": "carrier code", "datatype": "BYTES", "shape": [1],
             "parameters": {"binary_data_size": len(TEXT)}}  # fmt: skip
    tensor, raw = data.draw(st.sampled_from([(RAW, X.tobytes()), (texts, TEXT)]))
    body = {"inputs": [tensor]}
    if data.draw(st.booleans()):
        body = data.draw(broken(body))
    if data.draw(st.booleans()):
        raw = data.draw(damaged(raw) | st.just(b"") | st.just(struct.pack("<I", 2**32 - 1) + raw))
    head = dumped(body)
    length = data.draw(st.just(len(head)) | st.integers(0, 2 * len(head)))
    claimed = data.draw(st.just(str(length)) | st.text("0123456789 -+ex", max_size=20))
    endpoint = data.draw(st.sampled_from(["flights", "trips"]))
    ask(plane, V2.format(endpoint), head + raw, inference_header_content_length=claimed)


KINDS = (
    "text/csv", "text/csv; charset=utf-8", "TEXT/CSV;header=present", "text/csv;charset=\xff", "",
    ";",
)  # fmt: skip


@fuzzed
@given(body=damaged(CSV.encode()) | st.binary(max_size=60), kind=st.sampled_from(KINDS))
def test_csv(plane, body, kind):
    ask(plane, MLFLOW.format("trips"), body, content_type=kind)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (NATIVE.format("flights"), [ROW, {"x0": 1e308, "x1": -1e308, "x2": 1e308, "x3": 1e308}]),
        (V2.format("flights"), {"inputs": [{**MATRIX, "data": [1e308, -1e308] * 4}]}),
    ],
)
def test_a_number_that_overflows_is_the_callers(plane, path, body):
    status, said = plane.post(path, dumped(body))
    assert status in (400, 422), said
    assert b"beyond 1e+15" in said
