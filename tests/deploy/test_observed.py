"""What a data plane tells of itself: metrics, JSON lines and spans."""

from __future__ import annotations

import io
import json
import logging
import os

import grpc
import pytest
from bodies import NATIVE, V2
from prometheus_client.parser import text_string_to_metric_families
from serving_harness import ROW

from everloop.deploy.serving.lines import JsonLines
from everloop.deploy.serving.protocols._rpc_messages import MESSAGES, SERVICE
from everloop.deploy.serving.seen import Seen
from everloop.deploy.serving.traces import exporter_names
from everloop.deploy.state import Arm
from ports import free_port

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
TENSOR = {"name": "X", "datatype": "FP64", "shape": [1, 4]}


def infer(port: int, metadata) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=MESSAGES["ModelInferRequest"].SerializeToString,
        )
        inputs = [{**TENSOR, "contents": {"fp64_contents": [1.0] * 4}}]
        request = MESSAGES["ModelInferRequest"](model_name="flights", id="rpc-1", inputs=inputs)
        call(request, metadata=metadata, timeout=20)


@pytest.fixture
def asked(project, start):
    """A server that was asked over both transports, with everything on; its lines and spans."""
    project.want(flights=[Arm(3, project.linear())])
    port = free_port()
    serving = start(
        project.folder, "--grpc-port", str(port), EVERLOOP_LOG_FORMAT="json",
        EVERLOOP_TOKEN="s3cret", OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="shop",
    )  # fmt: skip
    serving.http.headers["authorization"] = "Bearer s3cret"
    ids = {"x-request-id": "one", **TRACEPARENT}
    assert serving.predict([ROW], headers=ids).status_code == 200
    assert serving.predict([{**ROW, "x0": "payload"}]).status_code == 422
    assert serving.http.post(V2.format("trips"), json={}).status_code == 404
    assert serving.http.get("/nothing/here").status_code == 404
    infer(port, [("authorization", "Bearer s3cret"), *TRACEPARENT.items()])
    serving.metrics = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(serving.http.get("/metrics").text)
        for sample in family.samples
    }
    spans = serving.process.stdout
    assert serving.stop() == 0
    serving.spans = spans.read().decode()
    serving.lines = [json.loads(line) for line in serving.stderr.read_text().splitlines()]
    return serving


def test_each_request_is_a_line_a_span_and_a_count(asked):
    by_request = {line["request"]: line for line in asked.lines if "request" in line}
    one = by_request["one"]
    assert one["time"].endswith("Z") and 0 < one["ms"] < 60_000
    keys = ("level", "endpoint", "version", "route", "status", "trace")
    assert {key: one[key] for key in keys} == {
        "level": "INFO", "endpoint": "flights", "version": 3,
        "route": NATIVE.format("{name}"), "status": 200, "trace": TRACE,
    }  # fmt: skip
    rpc = by_request["rpc-1"]
    assert (rpc["method"], rpc["version"], rpc["status"]) == ("gRPC", 3, 200)
    assert sorted(line["status"] for line in asked.lines if line["level"] == "WARNING") == [
        404, 404, 422,
    ]  # fmt: skip
    assert any("gRPC on" in line.get("message", "") for line in asked.lines)
    text = json.dumps(asked.lines)
    assert "s3cret" not in text and "payload" not in text

    spans = decoded(asked.spans)
    (span,) = [s for s in spans if s["attributes"]["everloop.request"] == "one"]
    assert span["name"] == "POST /endpoints/{name}/predict"
    assert (span["context"]["trace_id"], span["parent_id"]) == (f"0x{TRACE}", f"0x{CALLER}")
    assert span["attributes"]["everloop.version"] == 3
    assert span["resource"]["attributes"]["service.name"] == "shop"
    assert sum(s["context"]["trace_id"] == f"0x{TRACE}" for s in spans) == 2
    assert {s["kind"] for s in spans} == {"SpanKind.SERVER"}

    def metric(name, **labels):
        return asked.metrics[name, *sorted(labels.items())]

    answers = "everloop_http_responses_total"
    assert metric(answers, endpoint="flights", version="3", code="200") == 2
    assert metric(answers, endpoint="flights", version="", code="422") == 1
    assert metric("everloop_models_loaded") == metric("everloop_ready") == 1
    assert metric("everloop_requests_waiting", endpoint="flights") == 0
    labels = {"endpoint": "flights", "version": "3", "arm": "champion"}
    assert metric("everloop_prediction_seconds_count", **labels) == 2


def decoded(text: str) -> list[dict]:
    """The JSON documents that stand one behind the other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def test_a_reader_that_stands_still_holds_up_nobody(monkeypatch):
    monkeypatch.setattr("everloop.deploy.serving.lines.CLOSE_S", 0.05)
    reading, writing = os.pipe()
    lines = JsonLines(os.fdopen(writing, "wb", buffering=0))
    seen = Seen("POST", "/predict", "r" * 100, "flights", 1, 200, 0.5)
    try:
        for _ in range(30_000):
            lines.request(seen)
        assert lines.dropped > 0
        lines.stop()
    finally:
        os.close(reading)  # the thread that writes is told that nobody reads


def test_a_failure_is_a_line_with_its_traceback():
    out = io.BytesIO()
    lines = JsonLines(out)
    log = logging.Logger("test")
    log.addHandler(lines)
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("a request failed: %s", "why")
    lines.stop()
    (line,) = [json.loads(text) for text in out.getvalue().splitlines()]
    assert (line["level"], line["message"]) == ("ERROR", "a request failed: why")
    assert "ValueError: broken" in line["error"]


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp,console"}, ["otlp_proto_http", "console"]),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
    ],
)
def test_the_exporter_that_the_environment_names(environ, names):
    assert exporter_names(environ) == names


def test_an_exporter_that_is_not_there_is_said_in_a_sentence(project):
    import subprocess
    import sys

    project.want(flights=[Arm(3, project.linear())])
    command = [sys.executable, "-m", "everloop.deploy.serving", "--dir", str(project.folder)]
    done = subprocess.run(
        [*command, "--port", str(free_port())], capture_output=True, text=True,
        env={**os.environ, "OTEL_TRACES_EXPORTER": "fax"}, timeout=60,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "OTEL_TRACES_EXPORTER" in done.stderr and "fax" in done.stderr
