"""Several labels a row over HTTP: lists out, lists back as feedback, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from serving_harness import Serving

from everloop.data.schema import Feature, Schema
from everloop.deploy.attribution import background_rows
from everloop.deploy.state import Arm
from everloop.extensions import candidates
from everloop.train.onnx import to_onnx

SCHEMA = Schema(
    (Feature("x", "number"), Feature("z", "number")), "labels", "multilabel", ("up", "far"), id="id"
)
ROWS = [{"x": 9.0, "z": 9.0}, {"x": 9.0, "z": -9.0}, {"x": -9.0, "z": -9.0}]
FEEDBACK = "/endpoints/weather/feedback"


@pytest.fixture(scope="module")
def serving(shared_project):
    """``up`` follows ``x`` and ``far`` follows ``z``."""
    X = np.random.default_rng(0).normal(size=(200, 2))
    made = candidates.get("logistic_regression")().build(SCHEMA, "multilabel", 0, {"C": 1.0})
    model = to_onnx(made.fit(X, (X > 0).astype(np.int64)), SCHEMA, X)
    digest = shared_project.package(model, SCHEMA, background_npy=background_rows(X))
    shared_project.want(weather=[Arm(1, digest)])
    running = Serving(shared_project.folder)
    yield running
    assert running.stop() == 0


def test_each_row_gets_its_labels_and_their_probabilities(serving):
    answer = serving.predict(ROWS, "weather", params={"include": "probabilities"}).json()
    assert answer["y_pred"] == [["up", "far"], ["up"], []]
    assert [list(one) for one in answer["probabilities"]] == [["up", "far"]] * 3
    assert answer["probabilities"][1]["up"] > 0.99 > 0.01 > answer["probabilities"][1]["far"]
    logged = serving.records()[-1]
    assert logged["y"] == answer["y_pred"] and len(logged["p"][0]) == 2


def test_the_document_says_so(serving):
    paths = serving.http.get("/openapi.json").json()["paths"]
    row = {"type": "array", "items": {"enum": ["up", "far"]}, "uniqueItems": True}
    body = paths["/endpoints/weather/predict"]["post"]["responses"]["200"]
    properties = body["content"]["application/json"]["schema"]["properties"]
    assert properties["y_pred"]["items"] == row
    assert properties["probabilities"]["items"]["required"] == ["up", "far"]
    label = paths[FEEDBACK]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert label["items"]["properties"]["label"] == row


def test_feedback_is_a_list_of_known_labels(serving):
    sent = [{"id": "a", "label": ["up"]}, {"id": "b", "label": []}]
    assert serving.http.post(FEEDBACK, json=sent).json() == {"accepted": 2}
    assert serving.records("feedback")[-1]["labels"] == [["up"], []]


@pytest.mark.parametrize(
    ("label", "code", "path"),
    [
        (["up", "down"], "unknown_class", "$[0].label[1]"),
        ("up", "mistyped_label", "$[0].label"),
        (True, "mistyped_label", "$[0].label"),
        ([1], "invalid_feedback", "$[0].label[0]"),
        (None, "invalid_feedback", "$[0].label"),
    ],
)
def test_other_feedback_is_refused(serving, label, code, path):
    answer = serving.http.post(FEEDBACK, json=[{"id": "a", "label": label}])
    error = answer.json()["error"]
    assert answer.status_code == 422 and (error["code"], error["path"]) == (code, path), error


def test_the_most_probable_label_of_a_row_is_explained(serving):
    answer = serving.http.post("/endpoints/weather/explain", json=ROWS[1:2]).json()
    (one,) = answer["explanations"]
    assert (one["y_pred"], one["of"]) == (["up"], "up")
    assert one["base"] + sum(one["contributions"].values()) == pytest.approx(one["answer"])
    assert abs(one["contributions"]["x"]) > abs(one["contributions"]["z"])


def test_other_protocols_answer_the_same(serving):
    instances = {"instances": ROWS}
    v1 = serving.http.post("/v1/models/weather:predict", json=instances).json()
    assert v1 == {"predictions": [["up", "far"], ["up"], []]}
    shares = {"instances": ROWS[:1], "signature_name": "predict_proba"}
    (first,) = serving.http.post("/v1/models/weather:predict", json=shares).json()["predictions"]
    assert list(first) == ["up", "far"]
    mlflow = serving.http.post("/invocations", json={"dataframe_records": ROWS})
    assert mlflow.json() == v1
    numbers = {"x": [9.0, 9.0, -9.0], "z": [9.0, -9.0, -9.0]}
    inputs = [
        {"name": name, "datatype": "FP64", "shape": [3], "data": values}
        for name, values in numbers.items()
    ]
    v2 = serving.http.post("/v2/models/weather/infer", json={"inputs": inputs}).json()
    predict, probabilities = v2["outputs"]
    assert predict["data"] == ["up;far", "up", ""] and predict["datatype"] == "BYTES"
    assert probabilities["shape"] == [3, 2]
