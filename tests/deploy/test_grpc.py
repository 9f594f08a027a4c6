"""The Open Inference Protocol over gRPC, asked by a real client."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from serving_harness import ROW, TRIP, Serving

from everloop.deploy.serving.protocols._rpc_messages import MESSAGES, SERVICE
from everloop.deploy.state import Arm
from ports import free_port

ROWS = np.random.default_rng(5).normal(size=(20, 4))


class Client:
    def __init__(self, port: int, token: str = "") -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.metadata = [("authorization", f"Bearer {token}")] if token else []

    def __call__(self, method: str, *metadata, **fields):
        call = self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=MESSAGES[f"{method}Request"].SerializeToString,
            response_deserializer=MESSAGES[f"{method}Response"].FromString,
        )
        request = MESSAGES[f"{method}Request"](**fields)
        return call(request, metadata=[*self.metadata, *metadata], timeout=20)


@pytest.fixture(scope="module")
def shared(shared_project):
    shared_project.want(
        flights=[Arm(1, shared_project.linear())], trips=[Arm(4, shared_project.mixed())]
    )
    port = free_port()
    serving = Serving(shared_project.folder, "--grpc-port", str(port), EVERLOOP_MAX_BODY_MB="1")
    serving.ask = Client(port)
    yield serving
    serving.ask.channel.close()
    assert serving.stop() == 0


def floats(values, name="X", datatype="FP64", shape=None):
    values = np.asarray(values)
    field = {"FP64": "fp64_contents", "FP32": "fp32_contents"}[datatype]
    return {
        "name": name, "datatype": datatype, "shape": shape or list(values.shape),
        "contents": {field: values.ravel().tolist()},
    }  # fmt: skip


def test_contents_and_raw_bytes_are_answered_as_scikit_learn_answers(shared, models):
    expected = models.linear().predict(ROWS)
    answer = shared.ask("ModelInfer", model_name="flights", inputs=[floats(ROWS)])
    np.testing.assert_allclose(answer.outputs[0].contents.fp64_contents, expected, atol=1e-6)
    assert (answer.model_version, list(answer.outputs[0].shape)) == ("1", [20])
    raw = shared.ask(
        "ModelInfer", model_name="flights", id="mine",
        inputs=[{"name": "X", "datatype": "FP32", "shape": [20, 4]}],
        raw_input_contents=[ROWS.astype("<f4").tobytes()],
    )  # fmt: skip
    found = np.frombuffer(raw.raw_output_contents[0], "<f8")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert raw.id == "mine"
    assert shared.records()[-1]["request"] == "mine"


def test_columns_of_several_types(shared):
    def text(name, value):
        return {
            "name": name, "datatype": "BYTES", "shape": [1],
            "contents": {"bytes_contents": [value.encode()]},
        }  # fmt: skip

    inputs = [
        floats([30.0], "age"),
        {"name": "member", "datatype": "BOOL", "shape": [1], "contents": {"bool_contents": [True]}},
        *(text(name, TRIP[name]) for name in ("carrier code", "zone", "leaves")),
    ]
    answer = shared.ask("ModelInfer", model_name="trips", inputs=inputs)
    native = shared.predict([TRIP], "trips", params={"include": "probabilities"}).json()
    predict, proba = answer.outputs
    assert [t.decode() for t in predict.contents.bytes_contents] == native["y_pred"]
    assert list(proba.contents.fp64_contents) == pytest.approx(native["probabilities"][0])
    only = shared.ask(
        "ModelInfer", model_name="trips", inputs=inputs, outputs=[{"name": "predict_proba"}]
    )
    assert [output.name for output in only.outputs] == ["predict_proba"]


def test_health_and_metadata(shared):
    assert shared.ask("ServerLive").live
    assert shared.ask("ServerReady").ready
    assert shared.ask("ServerMetadata").name == "everloop"
    assert shared.ask("ModelReady", name="trips", version="4").ready
    assert not shared.ask("ModelReady", name="trips", version="9").ready
    assert not shared.ask("ModelReady", name="trains").ready
    model = shared.ask("ModelMetadata", name="trips")
    assert {one.name: one.datatype for one in model.inputs}["carrier code"] == "BYTES"
    assert [one.name for one in model.outputs] == ["predict", "predict_proba"]


GOOD = floats(np.ones((1, 4)))
REFUSED = [
    ({"model_name": "flihgts", "inputs": [GOOD]}, "NOT_FOUND"),
    ({"model_name": "flights", "model_version": "9", "inputs": [GOOD]}, "NOT_FOUND"),
    ({"model_name": "flights", "model_version": "x", "inputs": [GOOD]}, "INVALID_ARGUMENT"),
    ({"model_name": "flights", "inputs": []}, "INVALID_ARGUMENT"),
    ({"model_name": "flights", "inputs": [{**GOOD, "shape": [1, 5]}]}, "INVALID_ARGUMENT"),
    ({"model_name": "flights", "inputs": [{**GOOD, "datatype": "FP32"}]}, "INVALID_ARGUMENT"),
    ({"model_name": "flights", "inputs": [{**GOOD, "datatype": "FP16"}]}, "INVALID_ARGUMENT"),
    ({"model_name": "flights", "inputs": [{**GOOD, "name": "x0"}]}, "INVALID_ARGUMENT"),
    ({"model_name": "flights", "inputs": [GOOD], "outputs": [{"name": "y"}]}, "INVALID_ARGUMENT"),
    (
        {
            "model_name": "flights", "raw_input_contents": [b"\0"] * 2,
            "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4]}],
        },
        "INVALID_ARGUMENT",
    ),
    (
        {
            "model_name": "flights", "raw_input_contents": [b"\0" * 8],
            "inputs": [{"name": "X", "datatype": "FP32", "shape": [2**40, 2**40]}],
        },
        "INVALID_ARGUMENT",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "code"), REFUSED)
def test_a_refusal_has_a_status_and_a_sentence(shared, fields, code):
    with pytest.raises(grpc.RpcError) as refusal:
        shared.ask("ModelInfer", **fields)
    assert refusal.value.code().name == code
    assert refusal.value.details().endswith((".", "?"))


def test_a_message_beyond_the_limit_is_refused(shared):
    inputs = [{"name": "X", "datatype": "FP32", "shape": [100_000, 4]}]
    with pytest.raises(grpc.RpcError) as refusal:
        shared.ask("ModelInfer", model_name="flights", inputs=inputs,
                   raw_input_contents=[bytes(1_600_000)])  # fmt: skip
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_model_is_unloaded_and_loaded_over_both(shared):
    assert {one.name for one in shared.ask("RepositoryIndex").models} == {"flights", "trips"}
    shared.ask("RepositoryModelUnload", second="trips")
    try:
        index = {
            one["name"]: one["state"] for one in shared.http.post("/v2/repository/index").json()
        }
        assert index == {"flights": "READY", "trips": "UNAVAILABLE"}
        refused = shared.predict([TRIP], "trips")
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            404,
            "endpoint_not_loaded",
        )
        assert shared.predict([ROW]).status_code == 200
        assert shared.http.get("/v2/health/ready").status_code == 200
    finally:
        loaded = shared.http.post("/v2/repository/models/trips/load")
    assert loaded.status_code == 200, loaded.text
    assert shared.predict([TRIP], "trips").status_code == 200
    assert shared.http.post("/v2/repository/models/trains/load").status_code == 404
    shared.ask("RepositoryModelUnload", first="trips")
    shared.ask("RepositoryModelLoad", first="trips")
    assert shared.predict([TRIP], "trips").status_code == 200


def test_the_token_guards_all_but_health(project, start):
    project.want(flights=[Arm(1, project.linear())])
    port = free_port()
    start(project.folder, "--grpc-port", str(port), EVERLOOP_TOKEN="secret")
    stranger, known = Client(port), Client(port, "secret")
    assert stranger("ServerReady").ready
    for method, fields in (
        ("ModelInfer", {"model_name": "flights", "inputs": [GOOD]}),
        ("RepositoryModelUnload", {"first": "flights"}),
        ("ModelMetadata", {"name": "flights"}),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            stranger(method, **fields)
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert known("ModelInfer", model_name="flights", inputs=[GOOD]).outputs
