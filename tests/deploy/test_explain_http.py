"""Explanations from the running data plane: they add up, are bounded, and refuse in sentences."""

from __future__ import annotations

import numpy as np
import pytest
from serving_harness import ROW, TRIP, Serving

from everloop.deploy.attribution import background_rows
from everloop.deploy.state import Arm

BACKGROUND = np.random.default_rng(3).normal(size=(32, 4))


@pytest.fixture(scope="module")
def shared(shared_project, models):
    """A regression with a background, and a classification that was packaged without one."""
    digest = shared_project.package(
        models.onnx(models.linear(), 4),
        models.NUMBERS,
        background_npy=background_rows(BACKGROUND),
    )
    shared_project.want(flights=[Arm(1, digest)], trips=[Arm(4, shared_project.mixed())])
    serving = Serving(shared_project.folder)
    yield serving
    assert serving.stop() == 0


def test_a_linear_model_is_explained_exactly(shared):
    answer = shared.http.post("/endpoints/flights/explain", json=[ROW, {**ROW, "x0": 5.0}])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["version"] == 1
    for one, x0 in zip(body["explanations"], (1.0, 5.0), strict=True):
        x = np.array([x0, 1.0, 1.0, 1.0])
        want = (x - BACKGROUND.mean(axis=0)) * [1, 2, 3, 4]
        assert list(one["contributions"]) == ["x0", "x1", "x2", "x3"]
        np.testing.assert_allclose(list(one["contributions"].values()), want, atol=1e-5)
        assert one["base"] + sum(one["contributions"].values()) == pytest.approx(one["answer"])


def test_the_v1_protocol_gives_the_same(shared):
    native = shared.http.post("/endpoints/flights/explain", json=[ROW]).json()
    v1 = shared.http.post("/v1/models/flights:explain", json={"instances": [ROW]})
    assert v1.status_code == 200, v1.text
    assert v1.json() == {"explanations": native["explanations"]}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/endpoints/flights/explain", [ROW] * 17, 422, "too_many_rows"),
        ("/endpoints/flights/explain", [{**ROW, "x0": "a"}], 422, "mistyped_column"),
        ("/endpoints/trips/explain", [TRIP], 404, "not_explained"),
        ("/v1/models/flights:explain", {"rows": [ROW]}, 400, "invalid_json"),
        ("/v1/models/nobody:explain", {"instances": [ROW]}, 404, "endpoint_not_found"),
    ],
)
def test_what_cannot_be_explained_is_said(shared, path, body, status, code):
    answer = shared.http.post(path, json=body)
    said = answer.json()
    found = said["error"] if isinstance(said["error"], dict) else said  # v1 says one sentence
    assert (answer.status_code, found["code"]) == (status, code), answer.text


def test_explaining_is_not_logged_as_a_prediction(shared):
    before = len(shared.records())
    shared.http.post("/endpoints/flights/explain", json=[ROW])
    assert len(shared.records()) == before


def test_the_document_names_it(shared):
    paths = shared.http.get("/openapi.json").json()["paths"]
    assert paths["/endpoints/flights/explain"]["post"]["operationId"] == "explain_flights"
