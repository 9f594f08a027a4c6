"""The real process on a free port: answers, refusals, the log, rollouts, and a clean end."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import msgspec
import numpy as np
import psutil
import pytest

from everloop.data.segments import list_segments, read_segment
from everloop.deploy.serving.endpoint import share_of
from everloop.deploy.state import Arm, package_path, state_path

ROW = {"x0": 1.0, "x1": 1.0, "x2": 1.0, "x3": 1.0}  # answered with 10
TRIP = {"age": 30, "carrier code": "UA", "zone": "2", "member": True, "leaves": "2013-01-05T17:30"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Serving:
    """A running data plane of a project's folder."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_folder = folder / ".everloop" / "log"
        self.stderr = folder / "stderr.log"
        command = [sys.executable, "-m", "everloop.deploy.serving", "--dir", str(folder)]
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                env={**os.environ, **environ},
            )  # fmt: skip
        assert select.select([self.process.stdout], [], [], 20)[0], self.stderr.read_text()
        self.ready_line = self.process.stdout.readline().decode()
        self.http = httpx.Client(base_url=self.url, timeout=20)

    def predict(self, rows, endpoint="flights", **arguments) -> httpx.Response:
        return self.http.post(f"/endpoints/{endpoint}/predict", json=rows, **arguments)

    def status(self) -> dict:
        return self.http.get("/endpoints").json()

    def applied(self, revision: int, seconds: float = 5.0) -> None:
        until(lambda: self.status()["revision"] == revision, seconds)

    def records(self, kind: str = "predictions") -> list[dict]:
        return [
            msgspec.msgpack.decode(payload)
            for path in list_segments(self.log_folder / kind)
            for payload, _ in read_segment(path)
        ]

    def raw(self, data: bytes, half_close: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while b"}" not in answer and (part := connection.recv(65536)):
                answer += part
            return answer

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.http.close()
        self.process.send_signal(number)
        return self.process.wait(20)


def until(condition, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path):
    running: list[Serving] = []

    def starter(folder: Path = tmp_path, *options: str, **environ: str) -> Serving:
        running.append(Serving(folder, *options, **environ))
        return running[-1]

    yield starter
    for serving in running:
        if serving.process.poll() is None:
            serving.process.kill()
            serving.process.wait()


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
        "ids": ["T7"], "times": [1357407000000], "error": None,
        "columns": {"age": [30.0], "carrier code": ["new"], "zone": ["2"], "member": [True],
                    "leaves": ["2013-01-05T17:30"]},
        "y": answer["y_pred"], "p": answer["probabilities"],
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
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["message"]
    assert answer.json()["request"]
    assert len(shared.records()) == before


def test_a_refusal_says_where_what_and_what_else(shared):
    rows = [ROW, ROW, ROW, {**ROW, "x2": "old"}]
    body = shared.predict(rows).json()
    assert (body["path"], body["got"], body["expected"]) == (
        "$[3].x2", "'old'", "a number or null",
    )  # fmt: skip
    assert shared.predict([ROW], "flihgts").json()["fix"] == 'Did you mean "flights"?'


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
    compressed = shared.http.post(
        "/endpoints/flights/predict", content=body, headers={"content-encoding": "gzip"}
    )
    assert (compressed.status_code, compressed.json()["code"]) == (415, "unsupported_encoding")


def test_foreign_hosts_and_origins_are_refused_on_loopback(shared):
    for headers in (
        {"host": "evil.example"}, {"host": "evil.example:5051"}, {"host": "localhost.evil.example"},
        {"origin": "https://evil.example"}, {"origin": "null"},
    ):  # fmt: skip
        for path in ("/health", "/endpoints"):
            answer = shared.http.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")
    for headers in ({"host": "localhost:9"}, {"host": "[::1]"}, {"origin": "http://localhost:1"}):
        assert shared.http.get("/health", headers=headers).status_code == 200


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
    assert 'everloop_http_responses_total{code="200",endpoint="flights"}' in metrics
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


# -- processes of their own ------------------------------------------------------------------------


def test_swaps_under_load_fail_no_request(project, start):
    versions = {1: project.linear(0.0), 2: project.linear(100.0)}
    project.want(flights=[Arm(1, versions[1])])
    serving = start()
    seen: Counter[tuple[int, float]] = Counter()
    failed: list[object] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=serving.url, timeout=20) as http:
            while not done.is_set():
                try:
                    answer = http.post("/predict", json=[ROW])
                    version = int(answer.headers["x-everloop-version"])
                    seen[version, round(answer.json()["y_pred"][0])] += 1
                except Exception as error:  # whatever it is, the caller felt the swap
                    failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(6):
        number = 2 - n % 2
        serving.applied(project.want(flights=[Arm(number, versions[number])]))
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(seen) == {(1, 10), (2, 110)}
    logged = Counter(record["version"] for record in serving.records())
    assert logged == {version: count for (version, _), count in seen.items()}


def test_a_canary_gets_its_share_and_keys_stick(project, start):
    old, new = project.linear(), project.linear(100.0)
    project.want(flights=[Arm(1, old, 0.8), Arm(2, new, 0.2, "canary")])
    serving = start()

    def version_of(key: str) -> int:
        return int(
            serving.predict([ROW], headers={"x-everloop-key": key}).headers["x-everloop-version"]
        )

    keys = [f"user {n}" for n in range(300)]
    first = {key: version_of(key) for key in keys}
    assert first == {key: 2 if share_of("flights", key) < 0.2 else 1 for key in keys}
    assert 30 <= sum(v == 2 for v in first.values()) <= 95
    revision = project.want(flights=[Arm(1, old, 0.5), Arm(2, new, 0.5, "canary")])
    serving.applied(revision)
    second = {key: version_of(key) for key in keys}
    assert all(second[key] == 2 for key in keys if first[key] == 2)
    assert sum(v == 2 for v in second.values()) > 100
    arms = serving.status()["endpoints"]["flights"]["versions"]
    assert arms["2"]["canary"]["requests"] == [*first.values(), *second.values()].count(2)


def test_a_model_that_fails_is_counted_logged_and_told_in_one_sentence(project, models, start):
    broken = models.linear()
    broken.coef_ = np.array([np.nan] * 4)
    bad = project.package(models.onnx(broken, 4), models.NUMBERS)
    project.want(flights=[Arm(1, project.linear(), 0.0), Arm(2, bad, 1.0, "canary")])
    serving = start()
    answer = serving.predict([ROW])
    assert (answer.status_code, answer.json()["code"]) == (500, "model_failed")
    assert "Version 2" in answer.json()["message"]
    assert "Traceback" not in answer.text
    counts = serving.status()["endpoints"]["flights"]["versions"]["2"]["canary"]
    assert (counts["requests"], counts["errors"]) == (1, 1)
    (record,) = serving.records()
    assert (record["version"], record["y"], record["arm"]) == (2, [], "canary")
    assert "not finite" in record["error"]
    assert "Traceback" in serving.stderr.read_text()


def test_a_shadow_answers_after_the_caller_and_never_instead(project, models, start):
    broken = models.linear()
    broken.coef_ = np.array([np.nan] * 4)
    bad = project.package(models.onnx(broken, 4), models.NUMBERS)
    project.want(
        flights=[
            Arm(1, project.linear()), Arm(2, project.linear(100.0), 0.0, "shadow"),
            Arm(3, bad, 0.0, "shadow"),
        ]
    )  # fmt: skip
    serving = start()
    answer = serving.predict([ROW], headers={"x-request-id": "q"})
    assert answer.json()["y_pred"] == pytest.approx([10.0], abs=1e-6)
    until(lambda: len(serving.records()) == 3)
    champion, shadow, failed = serving.records()
    assert (champion["arm"], shadow["arm"], failed["arm"]) == ("champion", "shadow", "shadow")
    assert (champion["request"], shadow["request"]) == ("q", "q")
    assert shadow["ids"] == champion["ids"] == ["q"]
    assert shadow["y"] == pytest.approx([110.0], abs=1e-6)
    assert "not finite" in failed["error"]


def test_a_canary_that_asks_for_another_column_costs_no_caller(project, models, start):
    schema = msgspec.structs.replace(
        models.NUMBERS,
        features=(*models.NUMBERS.features[:3], type(models.NUMBERS.features[0])("new", "number")),
    )
    other = project.package(models.onnx(models.linear(), 4), schema)
    project.want(flights=[Arm(1, project.linear(), 0.0), Arm(2, other, 1.0, "canary")])
    serving = start()
    answer = serving.predict([ROW])
    assert answer.json()["y_pred"] == pytest.approx([10.0], abs=1e-6)
    assert answer.headers["x-everloop-version"] == "1"
    counts = serving.status()["endpoints"]["flights"]["versions"]["2"]["canary"]
    assert counts["errors"] == 1


def test_a_bad_package_changes_nothing_and_says_why(project, start):
    good, bad = project.linear(), project.linear(100.0)
    (package_path(project.state, bad) / "model.onnx").write_bytes(b"tampered")
    project.want(flights=[Arm(1, good)])
    serving = start()
    project.want(flights=[Arm(2, bad)], more=[Arm(1, good)])
    until(lambda: "more" in serving.status()["endpoints"])
    status = serving.status()
    assert "bytes, expected" in status["errors"]["flights"]
    assert (status["revision"], status["desired"]) == (1, 2)
    assert serving.predict([ROW]).headers["x-everloop-version"] == "1"
    state_path(project.state).write_text("nonsense")
    until(lambda: "" in serving.status()["errors"])
    assert serving.predict([ROW]).status_code == 200
    assert serving.http.get("/ready").status_code == 503
    serving.applied(project.want(flights=[Arm(1, good)]))
    assert serving.status()["errors"] == {}
    assert serving.predict([ROW], "more").status_code == 404


def test_a_start_with_a_bad_canary_still_answers_and_a_missing_package_is_waited_for(
    project, start
):
    good, late = project.linear(), project.linear(100.0)
    folder = package_path(project.state, late)
    away = project.folder / "away"
    folder.rename(away)
    project.want(
        flights=[Arm(1, good, 0.5), Arm(2, late, 0.5, "canary")], other=[Arm(2, late)]
    )  # fmt: skip
    serving = start()
    assert {serving.predict([ROW]).headers["x-everloop-version"] for _ in range(20)} == {"1"}
    answer = serving.predict([ROW], "other")
    assert (answer.status_code, answer.json()["code"]) == (404, "endpoint_not_loaded")
    assert serving.http.get("/ready").status_code == 503
    away.rename(folder)
    serving.applied(1)
    assert serving.predict([ROW], "other").headers["x-everloop-version"] == "2"
    assert serving.http.get("/ready").status_code == 200


def test_a_package_signed_by_a_stranger_is_not_loaded(project, start, tmp_path_factory):
    digest = project.linear()
    project.want(flights=[Arm(1, digest)])
    for key in (project.state / "keys").glob("signing.*"):
        key.unlink()
    project.keys.load_or_create(project.state / "keys")
    serving = start()
    assert "trusted keys" in serving.status()["errors"]["flights"]
    assert serving.predict([ROW]).status_code == 404


def test_it_ends_gently(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    big = json.dumps([ROW] * 60_000).encode()
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(big)
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
        connection.sendall(head + big[:-10])
        time.sleep(0.3)
        serving.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(big[-10:])
        answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        while connection.recv(1 << 20):
            pass
    assert serving.process.wait(20) == 0
    assert len(serving.records()[-1]["y"]) == 60_000
    with pytest.raises(httpx.ConnectError):
        httpx.get(serving.url + "/health")


def test_it_ends_with_its_supervisor_when_told_to_watch(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(project.folder, "--watch-stdin")
    assert serving.predict([ROW]).status_code == 200
    serving.process.stdin.close()
    assert serving.process.wait(10) == 0


def test_what_was_answered_survives_a_kill(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    for n in range(50):
        serving.predict([ROW], headers={"x-request-id": f"r{n}"})
    serving.stop(signal.SIGKILL)
    assert [record["request"] for record in serving.records()] == [f"r{n}" for n in range(50)]
    again = start()
    again.predict([ROW], headers={"x-request-id": "later"})
    assert len(list_segments(serving.log_folder / "predictions")) == 2
    assert again.records()[-1]["request"] == "later"


def test_under_always_many_requests_share_an_fsync(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(EVERLOOP_LOG_FSYNC="always")

    def ask() -> None:
        with httpx.Client(base_url=serving.url, timeout=20) as http:
            for _ in range(20):
                assert http.post("/predict", json=[ROW]).status_code == 200

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(serving.records()) == 160
    labels = [{"id": "a", "label": 1.0}]
    assert serving.http.post("/feedback", json=labels).status_code == 200


def test_a_log_that_cannot_be_written_stops_no_answer(project, start):
    project.want(flights=[Arm(1, project.linear())])
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    # A file size limit is the disk that is full: the write fails half way.
    hook = project.folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        f"{limit}\nimport signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    )
    serving = start(PYTHONPATH=str(hook), PYTHONDONTWRITEBYTECODE="1")
    for _ in range(60):
        assert serving.predict([ROW]).status_code == 200
    lost = serving.status()["log_lost"]
    assert lost > 0
    assert len(serving.records()) == 60 - lost
    assert f"everloop_prediction_log_lost_total {float(lost)}" in serving.http.get("/metrics").text
    for _ in range(30):
        answer = serving.http.post("/feedback", json=[{"id": "x" * 500, "label": 1}])
    assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
    assert serving.stderr.read_text().count("the prediction log cannot be written") < 5


def test_a_token_is_asked_for_and_needed_beyond_loopback(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(project.folder, "--host", "0.0.0.0", EVERLOOP_TOKEN="s3cret")
    assert serving.predict([ROW]).status_code == 401
    for given in ("Bearer wrong", "s3cret", "Bearer s3cret2", "Basic s3cret"):
        answer = serving.predict([ROW], headers={"authorization": given})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    right = {"authorization": "Bearer s3cret", "host": "predict.example"}
    assert serving.predict([ROW], headers=right).status_code == 200
    assert serving.http.get("/health").status_code == 200
    assert serving.http.get("/metrics").status_code == 401


def run_once(folder: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "everloop.deploy.serving", "--dir", str(folder), *options],
        capture_output=True, text=True, timeout=20, env={**os.environ, **environ},
    )  # fmt: skip


def test_it_refuses_to_start_in_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, environ, part in [
            (("--host", "0.0.0.0"), {}, "without a token"),
            (("--port", port), {}, "cannot be bound"),
            ((), {"EVERLOOP_LOG_FSYNC": "sometimes"}, "always, interval or never"),
        ]:
            ended = run_once(tmp_path, *options, **environ)
            assert ended.returncode == 2
            assert part in ended.stderr
            assert "Traceback" not in ended.stderr
    missing = run_once(tmp_path / "nowhere")
    assert missing.returncode == 2
    assert "a folder that exists" in missing.stderr


def test_it_starts_soon_and_stays_small(project, start):
    project.want(flights=[Arm(1, project.linear())])
    begun = time.monotonic()
    serving = start()
    seconds = time.monotonic() - begun
    serving.predict([ROW])
    megabytes = psutil.Process(serving.process.pid).memory_info().rss / 2**20
    print(f"ready after {seconds:.2f} s, {megabytes:.0f} MiB")
    assert seconds < 5
    assert megabytes < 110
