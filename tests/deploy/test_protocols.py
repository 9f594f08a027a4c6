"""The protocols of others, asked over HTTP: what is answered, and what is refused."""

from __future__ import annotations

import json
import re
import struct

import numpy as np
import pytest
from serving_harness import ROW, TRIP, Serving

from everloop.deploy.state import Arm

ROWS = np.random.default_rng(5).normal(size=(20, 4))
RECORDS = [dict(zip(ROW, row, strict=True)) for row in ROWS.tolist()]
COLUMNS = {name: ROWS[:, place].tolist() for place, name in enumerate(ROW)}


@pytest.fixture(scope="module")
def shared(shared_project):
    """A regression of four numbers and a classification of mixed columns."""
    shared_project.want(
        flights=[Arm(1, shared_project.linear())], trips=[Arm(4, shared_project.mixed())]
    )
    serving = Serving(shared_project.folder, EVERLOOP_MAX_BODY_MB="1")
    yield serving
    assert serving.stop() == 0


@pytest.fixture(scope="module")
def expected(models):
    return models.linear().predict(ROWS).tolist()


def fp64(name="input-0", values=ROWS, **more):
    values = np.asarray(values)
    return {
        "name": name, "datatype": "FP64", "shape": list(values.shape), "data": values.tolist(),
        **more,
    }  # fmt: skip


def column(name):
    return fp64(name, ROWS[:, list(ROW).index(name)])


ANSWERED = {
    "v1, names": ("/v1/models/flights:predict", {"instances": RECORDS}),
    "v1, lists": ("/v1/models/flights:predict", {"instances": ROWS.tolist()}),
    "v1, version": ("/v1/models/flights/versions/1:predict", {"instances": RECORDS}),
    "v1, label": ("/v1/models/flights/labels/champion:predict", {"instances": RECORDS}),
    "tf, columns": ("/v1/models/flights:predict", {"inputs": COLUMNS}),
    "tf, matrix": ("/v1/models/flights:predict", {"inputs": ROWS.tolist()}),
    "v2, matrix": ("/v2/models/flights/infer", {"inputs": [fp64()]}),
    "v2, flat": ("/v2/models/flights/infer", {"inputs": [fp64(data=ROWS.ravel().tolist())]}),
    "v2, columns": ("/v2/models/flights/infer", {"inputs": [column(name) for name in ROW]}),
    "v2, version": ("/v2/models/flights/versions/1/infer", {"inputs": [fp64()]}),
    "mlflow, records": ("/endpoints/flights/invocations", {"dataframe_records": RECORDS}),
    "mlflow, instances": ("/endpoints/flights/invocations", {"instances": RECORDS}),
    "mlflow, inputs": ("/endpoints/flights/invocations", {"inputs": COLUMNS}),
    "mlflow, split": (
        "/endpoints/flights/invocations",
        {"dataframe_split": {"columns": list(ROW)[::-1], "data": ROWS[:, ::-1].tolist()}},
    ),
    "mlflow, bare": (
        "/endpoints/flights/invocations",
        {"dataframe_split": {"data": ROWS.tolist()}},
    ),
}


@pytest.mark.parametrize("form", ANSWERED)
def test_each_protocol_answers_what_scikit_learn_answers(shared, expected, form):
    path, body = ANSWERED[form]
    answer = shared.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    found = said.get("predictions") or said.get("outputs")
    if "v2" in form:
        assert found[0]["shape"] == [20]
        found = found[0]["data"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert answer.headers["x-everloop-version"] == "1"


def test_labels_and_probabilities_of_a_class(shared):
    def asked(**more):
        return shared.http.post("/v1/models/trips:predict", json={"instances": [TRIP], **more})

    assert asked().json()["predictions"][0] in ("no", "yes")
    probabilities = asked(signature_name="predict_proba").json()["predictions"][0]
    assert sum(probabilities) == pytest.approx(1)
    refused = asked(signature_name="fly")
    assert (refused.status_code, refused.json()["path"]) == (400, "$.signature_name")


def trip_tensors():
    texts = {"carrier code": "UA", "zone": "2", "leaves": "2013-01-05T17:30"}
    return [
        {"name": "age", "datatype": "INT32", "shape": [1, 1], "data": [[30]]},
        {"name": "member", "datatype": "BOOL", "shape": [1], "data": [True]},
        *({"name": n, "datatype": "BYTES", "shape": [1], "data": [v]} for n, v in texts.items()),
    ]


def test_tensors_of_several_types(shared):
    answer = shared.http.post(
        "/v2/models/trips/infer", json={"id": "from-body", "inputs": trip_tensors()}
    ).json()
    native = shared.predict([TRIP], "trips", params={"include": "probabilities"}).json()
    assert answer["id"] == "from-body"
    predict, proba = answer["outputs"]
    assert (predict["datatype"], predict["data"]) == ("BYTES", native["y_pred"])
    assert proba["shape"] == [1, 2]
    assert proba["data"] == pytest.approx(native["probabilities"][0])


def binary(shared, inputs, raw, outputs=None, path="/v2/models/flights/infer", **more):
    body = {"inputs": inputs, **more, **({"outputs": outputs} if outputs else {})}
    head = json.dumps(body).encode()
    return shared.http.post(
        path, content=head + raw, headers={"inference-header-content-length": str(len(head))}
    )


def raw_input(dtype="FP32", shape=(20, 4), size=None):
    width = {"FP32": 4, "FP64": 8, "FP16": 2, "INT8": 1, "BYTES": 0}[dtype]
    size = int(np.prod(shape)) * width if size is None else size
    return {
        "name": "X", "datatype": dtype, "shape": list(shape),
        "parameters": {"binary_data_size": size},
    }  # fmt: skip


def test_raw_tensors_both_ways(shared, expected):
    raw = ROWS.astype("<f4").tobytes()
    answer = binary(shared, [raw_input()], raw, parameters={"binary_data_output": True})
    length = int(answer.headers["inference-header-content-length"])
    head = json.loads(answer.content[:length])
    (output,) = head["outputs"]
    found = np.frombuffer(answer.content[length:], "<f8")
    assert output["parameters"]["binary_data_size"] == found.nbytes
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_raw_texts(shared):
    tensors = trip_tensors()
    text = b"UA"
    raw = struct.pack("<I", len(text)) + text
    tensors[2] = {
        "name": "carrier code", "datatype": "BYTES", "shape": [1],
        "parameters": {"binary_data_size": len(raw)},
    }  # fmt: skip
    wanted = [{"name": "predict", "parameters": {"binary_data": True}}]
    answer = binary(shared, tensors, raw, wanted, path="/v2/models/trips/infer")
    length = int(answer.headers["inference-header-content-length"])
    assert answer.content[length + 4 :] in (b"no", b"yes")


def test_nan_is_read_as_missing_and_infinity_is_refused(shared):
    path = "/endpoints/trips/invocations"
    body = json.dumps({"instances": [{**TRIP, "carrier code": float("nan")}]})
    assert "NaN" in body
    assert shared.http.post(path, content=body).status_code == 200
    refused = shared.http.post(path, content=body.replace("NaN", "Infinity"))
    assert refused.status_code == 400


def test_csv(shared, expected):
    lines = [",".join(ROW), *(",".join(map(str, row)) for row in ROWS.tolist())]
    answer = shared.http.post(
        "/endpoints/flights/invocations", content="\n".join(lines),
        headers={"content-type": "text/csv; charset=utf-8"},
    )  # fmt: skip
    np.testing.assert_allclose(answer.json()["predictions"], expected, atol=1e-6)


def test_health_and_metadata(shared):
    get = shared.http.get
    assert get("/ping").status_code == 200
    assert get("/version").text.count(".") >= 2
    assert get("/v2").json()["extensions"]
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    assert get("/v1/models").json() == {"models": ["flights", "trips"]}
    status = get("/v1/models/trips").json()
    assert (status["ready"], status["model_version_status"][0]["version"]) == (True, "4")
    assert get("/v2/models/trips/ready").json() == {"name": "trips", "ready": True}
    model = get("/v2/models/trips").json()
    assert {i["name"]: i["datatype"] for i in model["inputs"]}["carrier code"] == "BYTES"
    assert [o["name"] for o in model["outputs"]] == ["predict", "predict_proba"]
    tf = get("/v1/models/trips/metadata").json()
    signature = tf["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["age"]["dtype"] == "DT_DOUBLE"


V1, V2, MLFLOW = (
    "/v1/models/flights:predict",
    "/v2/models/flights/infer",
    "/endpoints/flights/invocations",
)
BAD_ROW = {**ROW, "x2": "old"}
REFUSED = [
    (V1, b"", 400, "body"),
    (V1, b"[]", 400, "$"),
    (V1, b"{}", 400, "$"),
    (V1, b'{"instances": [], "inputs": {}}', 400, "$"),
    (V1, b'{"instances": []}', 400, "$.instances"),
    (V1, b'{"instances": 5}', 400, "$.instances"),
    (V1, b'{"instances": [[1, 2]]}', 400, "$.instances[0]"),
    (V1, b'{"instances": [[1, 2, 3, [4]]]}', 400, "$.instances[0][3]"),
    (V1, json.dumps({"instances": [BAD_ROW]}).encode(), 400, "$.instances[0].x2"),
    (V1, json.dumps({"inputs": {**COLUMNS, "x2": ["a"] * 20}}).encode(), 400, "$.inputs.x2[0]"),
    (V1, b'{"instances": [[1,2,3,4]], "more": 1}', 400, "$"),
    (V1, b"[" * 100_000, 400, "$"),
    (V1, b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None),
    (V1, b'{"instances": [{"x0": "\xff"}]}', 400, None),
    ("/v1/models/flihgts:predict", b"{}", 404, None),
    ("/v1/models/flights/versions/2:predict", b'{"instances": [[1,2,3,4]]}', 404, "version"),
    ("/v1/models/flights/versions/two:predict", b"{}", 400, "version"),
    ("/v1/models/flights/labels/beta:predict", b"{}", 404, "label"),
    (V2, b"{}", 400, "$"),
    (V2, b'{"inputs": []}', 400, "$.inputs"),
    (V2, json.dumps({"inputs": [fp64(shape=[20, 5])]}).encode(), 400, "$.inputs[0].data"),
    (V2, json.dumps({"inputs": [fp64(shape=[4, 20])]}).encode(), 400, "$.inputs.input-0.shape"),
    (V2, json.dumps({"inputs": [fp64(shape=[-20, -4])]}).encode(), 400, "$.inputs[0].shape"),
    (V2, json.dumps({"inputs": [fp64(shape=[])]}).encode(), 400, "$.inputs[0].shape"),
    (V2, json.dumps({"inputs": [fp64(shape=[10**18, 10**18])]}).encode(), 400, "$.inputs[0].data"),
    (V2, json.dumps({"inputs": [fp64(datatype="FP65")]}).encode(), 400, "$.inputs[0].datatype"),
    (V2, json.dumps({"inputs": [fp64(datatype="INT32")]}).encode(), 400, "$.inputs[0].data"),
    (V2, json.dumps({"inputs": [fp64(datatype="BYTES")]}).encode(), 400, "$.inputs[0].data"),
    (V2, json.dumps({"inputs": [column("x0")]}).encode(), 400, "$.inputs.x1"),
    (V2, json.dumps({"inputs": [column("x0")] * 2}).encode(), 400, "$.inputs.x0"),
    (
        V2,
        json.dumps({"inputs": [fp64()], "outputs": [{"name": "y"}]}).encode(),
        400,
        "$.outputs[0].name",
    ),
    (
        V2,
        b'{"inputs": [{"name": "X", "datatype": "INT8", "shape": [1, 4], "data": [1, 2, 3, 300]}]}',
        400,
        "$.inputs[0].data",
    ),
    (V2, b'{"inputs": [{"name": "X", "datatype": "FP64", "shape": [1, 4]}]}', 400, None),
    ("/v2/models/flights/versions/9/infer", b"{}", 404, "version"),
]


@pytest.mark.parametrize(("path", "body", "status", "where"), REFUSED)
def test_a_refusal_is_a_sentence_with_the_place(shared, path, body, status, where):
    answer = shared.http.post(path, content=body)
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json()["error"], str)
    assert where is None or answer.json()["error"].startswith(f"{where}:") or where == "$"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b'{"instances": [], "inputs": []}', "application/json", 400),
        (b'{"dataframe_split": {"columns": ["x0"], "data": [[1, 2]]}}', "application/json", 400),
        (b'{"dataframe_split": {"columns": ["x0", "x0"], "data": []}}', "application/json", 400),
        (b'{"dataframe_split": {"columns": [], "data": []}}', "application/json", 400),
        (b'{"dataframe_split": []}', "application/json", 400),
        (b"x0,x1\n1,2,3", "text/csv", 400),
        (b"x0,x1,x2,x3\n1,2,3,inf", "text/csv", 400),
        (b"x0,x1,x2,x3\n1,2,3,old", "text/csv", 400),
        (b"\xff\xfe", "text/csv", 400),
        (b"", "text/csv", 400),
        (b"PAR1", "application/vnd.apache.parquet", 415),
        (b"{}", "application/json; charset=latin-1", 415),
    ],
)
def test_invocations_are_refused_in_the_words_of_mlflow(shared, body, content_type, status):
    answer = shared.http.post(MLFLOW, content=body, headers={"content-type": content_type})
    assert answer.status_code == status, answer.text
    assert (answer.json()["error_code"], bool(answer.json()["message"])) == ("BAD_REQUEST", True)


LYING = [
    ([raw_input(size=8)], b"\0" * 8),
    ([raw_input(size=10**9)], b"\0" * 8),
    ([raw_input(size=-1)], b""),
    ([raw_input(size=True)], b"\0"),
    ([raw_input()], ROWS.astype("<f4").tobytes() + b"more"),
    ([raw_input(shape=(10**9, 10**9), size=8)], b"\0" * 8),
    ([raw_input("BYTES", (4,), 8)], struct.pack("<I", 2**31) + b"abcd"),
    ([raw_input("BYTES", (10**9,), 8)], b"\0" * 8),
    ([raw_input("BYTES", (1,), 6)], struct.pack("<I", 2) + b"\xff\xfe"),
    ([raw_input("FP64", (1, 4))], np.full(4, np.inf).tobytes()),
]


@pytest.mark.parametrize(("inputs", "raw"), LYING)
def test_raw_sizes_that_lie_are_refused(shared, inputs, raw):
    answer = binary(shared, inputs, raw)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "1" * 40, ""])
def test_a_header_length_that_lies_is_refused(shared, length):
    headers = {"inference-header-content-length": length}
    answer = shared.http.post(V2, content=b'{"inputs": []}', headers=headers)
    assert answer.status_code == 400, answer.text


def test_the_document_has_every_protocol_with_the_models_schema(shared):
    document = shared.http.get("/openapi.json").json()
    paths, schemas = document["paths"], document["components"]["schemas"]
    operations = [op for path in paths.values() for op in path.values()]
    ids = [operation.get("operationId") for operation in operations if "operationId" in operation]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"] for operation in operations)
    for path, operation in paths.items():
        for name in re.findall(r"{(\w+)}", path):
            for one in operation.values():
                assert name in [parameter["name"] for parameter in one["parameters"]], path
    for path in (
        "/v1/models/trips:predict", "/v1/models/trips/versions/{version}:predict",
        "/v2/models/trips/infer", "/endpoints/trips/invocations",
    ):  # fmt: skip
        body = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert all(name in json.dumps([body, schemas["trips.record"]]) for name in TRIP)
    assert {"/v2/health/ready", "/ping", "/v1/models", "/v2/repository/index"} <= paths.keys()
    assert "/invocations" not in paths  # there are two endpoints
    for reference in re.findall(r"#/components/schemas/([^\"]+)", json.dumps(document)):
        assert reference in schemas
