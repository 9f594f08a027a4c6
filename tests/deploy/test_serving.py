"""What the running data plane answers and refuses, asked over HTTP."""

from __future__ import annotations

import gzip
import json
import time
import zlib

import numpy as np
import pytest
from serving_harness import ROW, TRIP, Serving

from everloop.deploy.state import Arm


@pytest.fixture(scope="module")
def shared(shared_project):
    """One process for all tests that only ask: a regression and a mixed classification."""
    shared_project.want(
        flights=[Arm(1, shared_project.linear())], trips=[Arm(4, shared_project.mixed())]
    )
    serving = Serving(shared_project.folder, EVERLOOP_MAX_BODY_MB="1")
    yield serving
    assert serving.stop() == 0


def test_it_answers_what_scikit_learn_answers(shared, models):
    X = np.random.default_rng(5).normal(size=(50, 4))
    records = [dict(zip(ROW, row, strict=True)) for row in X.tolist()]
    expected = models.linear().predict(X)
    columns = {name: X[:, i].tolist() for i, name in enumerate(ROW)}
    for body in (records, {"records": records}, columns):
        answer = shared.predict(body)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"y_pred"}
        np.testing.assert_allclose(answer.json()["y_pred"], expected, atol=1e-6)
    assert shared.predict(records[0]).json()["y_pred"] == pytest.approx(expected[:1], abs=1e-6)


def test_parts_on_request_and_headers(shared):
    answer = shared.predict(
        [TRIP, TRIP], "trips", params={"include": "probabilities,id,version"},
        headers={"x-request-id": "abc"},
    )  # fmt: skip
    body = answer.json()
    assert body["version"] == 4
    assert body["id"] == ["abc-0", "abc-1"]
    assert [sum(p) for p in body["probabilities"]] == pytest.approx([1, 1])
    assert set(body["y_pred"]) <= {"no", "yes"}
    assert answer.headers["x-request-id"] == "abc"
    assert answer.headers["x-everloop-version"] == "4"
    assert shared.predict([TRIP], "trips", headers={"x-request-id": "a b"}).headers[
        "x-request-id"
    ] not in ("a b", "")


def test_each_answer_is_in_the_log_before_it_is_read(shared):
    before = len(shared.records())
    row = {**TRIP, "trip": "T7", "at": 1357407000000, "late": "no", "carrier code": "new"}
    answer = shared.predict(
        [row], "trips", params={"include": "probabilities"}, headers={"x-request-id": "log-1"}
    ).json()
    records = shared.records()
    assert len(records) == before + 1
    record = records[-1]
    assert 0 < record.pop("ms") < 5000
    assert abs(record.pop("at") - time.time() * 1000) < 5000
    assert record == {
        "v": 1, "request": "log-1", "endpoint": "trips", "version": 4, "arm": "champion",
        "ids": ["T7"], "times": [1357407000000], "error": None, "rate": 1.0,
        "columns": {"age": [30.0], "carrier code": ["new"], "zone": ["2"], "member": [True],
                    "leaves": ["2013-01-05T17:30"]},
        "y": answer["y_pred"], "p": answer["probabilities"], "steps": None,
        "marks": [["unknown_category carrier code"]],
    }  # fmt: skip


REFUSED = [
    ("POST", "/endpoints/flights/predict", b"[{", 400, "invalid_json"),
    ("POST", "/endpoints/flights/predict", b"", 400, "invalid_json"),
    ("POST", "/endpoints/flights/predict", b"[]", 422, "empty"),
    ("POST", "/endpoints/flights/predict", b'[{"x0": "a"}]', 422, "missing_column"),
    ("POST", "/endpoints/flights/predict", b'[{"x0":1,"x1":1,"x2":1,"x3":NaN}]', 422, "not_finite"),
    ("POST", "/endpoints/flights/predict?include=y", b"[]", 422, "invalid_value"),
    ("POST", "/endpoints/flights/predict?inc=id", b"[]", 422, "unknown_parameter"),
    ("POST", "/endpoints/flihgts/predict", b"[]", 404, "endpoint_not_found"),
    ("POST", "/endpoints//predict", b"[]", 404, "route_not_found"),
    ("POST", "/endpoints/a/b/predict", b"[]", 404, "route_not_found"),
    ("POST", "/endpoints/%2e%2e/predict", b"[]", 404, "endpoint_not_found"),
    ("POST", "/predict", b"[]", 404, "endpoint_not_named"),
    ("POST", "/endpoints/{name}/predict", b"[]", 404, "endpoint_not_found"),
    ("GET", "/nothing", b"", 404, "route_not_found"),
    ("GET", "/endpoints/flights/predict", b"", 405, "method_not_allowed"),
    ("DELETE", "/endpoints", b"", 405, "method_not_allowed"),
    ("POST", "/endpoints/flights/feedback", b"[]", 422, "empty"),
    ("POST", "/endpoints/flights/feedback", b'[{"id": "a"}]', 422, "invalid_feedback"),
    ("POST", "/endpoints/flights/feedback", b'[{"id":"a","label":"x"}]', 422, "mistyped_label"),
    ("POST", "/endpoints/flights/feedback", b'[{"id":"a","label":null}]', 422, "invalid_feedback"),
    ("POST", "/endpoints/trips/feedback", b'[{"id":"a","label":"maybe"}]', 422, "unknown_class"),
    ("POST", "/endpoints/trips/feedback", b"\xff", 400, "invalid_json"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
def test_refusals_have_a_code_and_a_sentence_and_are_not_logged(
    shared, method, path, body, status, code
):
    before = len(shared.records())
    answer = shared.http.request(method, path, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert answer.json()["error"]["message"]
    assert answer.json()["error"]["request"]
    assert len(shared.records()) == before


def test_a_refusal_says_where_what_and_what_else(shared):
    rows = [ROW, ROW, ROW, {**ROW, "x2": "old"}]
    body = shared.predict(rows).json()["error"]
    assert (body["path"], body["got"], body["expected"]) == (
        "$[3].x2", "'old'", "a number or null",
    )  # fmt: skip
    assert shared.predict([ROW], "flihgts").json()["error"]["fix"] == 'Did you mean "flights"?'


def test_a_body_beyond_the_limit_is_not_read_to_its_end(shared):
    start = b"POST /endpoints/flights/predict HTTP/1.1\r\nHost: localhost\r\n"
    declared = shared.raw(start + b"Content-Length: 100000000\r\n\r\n[")
    assert declared.startswith(b"HTTP/1.1 413")
    assert b'"too_large"' in declared
    chunk = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
    chunked = shared.raw(start + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)
    assert chunked.startswith(b"HTTP/1.1 413")
    assert shared.predict([ROW]).status_code == 200


@pytest.mark.parametrize(
    "rest",
    [b"Content-Length: 500\r\n\r\n" + json.dumps([ROW]).encode(),
     b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"
     % (len(json.dumps([ROW])), json.dumps([ROW]).encode())],
    ids=["length", "chunked"],
)  # fmt: skip
def test_a_body_that_is_cut_off_is_refused_and_not_logged(shared, rest):
    before = len(shared.records())
    head = b"POST /endpoints/flights/predict HTTP/1.1\r\nHost: localhost\r\n"
    answer = shared.raw(head + rest, half_close=True)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b'"truncated_body"' in answer
    assert len(shared.records()) == before


def test_a_chunked_body_is_read_like_another(shared):
    body = json.dumps([ROW] * 200).encode()

    def parts():
        for place in range(0, len(body), 1000):
            yield body[place : place + 1000]

    answer = shared.http.post("/endpoints/flights/predict", content=parts())
    assert answer.json()["y_pred"] == pytest.approx([10.0] * 200, abs=1e-6)


@pytest.mark.parametrize(
    ("coding", "pack", "status", "code"),
    [
        ("gzip", gzip.compress, 200, None),
        ("deflate", zlib.compress, 200, None),
        ("gzip", lambda body: body, 400, "bad_compression"),
        ("gzip", lambda body: gzip.compress(body)[:-9], 400, "bad_compression"),
        ("gzip", lambda body: gzip.compress(body) + b"more", 400, "bad_compression"),
        ("gzip", lambda body: gzip.compress(b" " * 200_000_000, 1), 413, "too_large"),
        ("br", lambda body: body, 415, "unsupported_encoding"),
        ("gzip, gzip", gzip.compress, 415, "unsupported_encoding"),
    ],
)
def test_a_compressed_body_is_unpacked_within_the_limit(shared, coding, pack, status, code):
    answer = shared.http.post(
        "/endpoints/flights/predict", content=pack(json.dumps([ROW]).encode()),
        headers={"content-encoding": coding},
    )  # fmt: skip
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["error"]["code"] == code


def test_foreign_hosts_and_origins_are_refused_on_loopback(shared):
    for headers in (
        {"host": "evil.example"}, {"host": "evil.example:5051"}, {"host": "localhost.evil.example"},
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://localhost:1"},
    ):  # fmt: skip
        for path in ("/health", "/endpoints"):
            answer = shared.http.get(path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_host")
    own = {"host": "localhost:9", "origin": "http://localhost:9"}
    for headers in ({"host": "localhost:9"}, {"host": "[::1]"}, own):
        assert shared.http.get("/health", headers=headers).status_code == 200
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 422)):
        answer = shared.http.post(
            "/endpoints/trips/predict", json=[], headers={"sec-fetch-site": site}
        )
        assert (site, answer.status_code) == (site, status)


def test_feedback_is_kept(shared):
    answer = shared.http.post(
        "/endpoints/trips/feedback",
        json=[{"id": "T7", "label": "yes"}, {"id": 8, "label": "no"}],
    )
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2})
    record = shared.records("feedback")[-1]
    assert abs(record.pop("at") - time.time() * 1000) < 5000
    assert record == {
        "v": 1, "endpoint": "trips", "ids": ["T7", "8"], "labels": ["yes", "no"],
    }  # fmt: skip


def test_counts_metrics_and_openapi(shared):
    def champion() -> dict:
        return shared.status()["endpoints"]["flights"]["versions"]["1"]["champion"]

    before = champion()
    shared.predict([ROW] * 3)
    after = champion()
    assert (after["requests"], after["rows"]) == (before["requests"] + 1, before["rows"] + 3)
    assert after["latency_ms"]["p99"] >= after["latency_ms"]["p50"] > 0
    metrics = shared.http.get("/metrics").text
    line = 'everloop_predictions_total{arm="champion",endpoint="flights",version="1"} '
    assert f"{line}{float(after['rows'])}" in metrics
    assert 'everloop_http_responses_total{code="200",endpoint="flights",version="1"}' in metrics
    assert "everloop_prediction_log_lost_total 0.0" in metrics
    assert "process_resident_memory_bytes" in metrics
    document = shared.http.get("/openapi.json").json()
    assert "/endpoints/trips/predict" in document["paths"]
    record = document["components"]["schemas"]["trips.record"]
    assert record["properties"]["zone"]["type"] == ["string", "number", "null"]
    assert "trip" in record["properties"]
    assert record["required"] == list(TRIP)


def test_health_and_ready(shared):
    assert shared.http.get("/health").json() == {"status": "ok"}
    assert shared.http.get("/ready").json()["ready"] is True
    assert shared.http.head("/health").status_code == 200
    assert shared.url in shared.ready_line
