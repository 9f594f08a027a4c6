"""New versions in the running process: swaps, canaries, shadows, and packages that are bad."""

from __future__ import annotations

import threading
from collections import Counter

import httpx
import msgspec
import numpy as np
import onnx
import onnx.parser
import pytest
from serving_harness import ROW

from everloop.deploy.serving.endpoint import share_of
from everloop.deploy.state import Arm, package_path, state_path
from waiting import wait_for


def test_swaps_under_load_fail_no_request(project, start):
    versions = {1: project.linear(0.0), 2: project.linear(100.0)}
    project.want(flights=[Arm(1, versions[1])])
    serving = start()
    seen: list[tuple[int, float]] = []
    failed: list[object] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=serving.url, timeout=60) as http:
            while not done.is_set():
                try:
                    answer = http.post("/predict", json=[ROW])
                    version = int(answer.headers["x-everloop-version"])
                    seen.append((version, round(answer.json()["y_pred"][0])))
                except Exception as error:  # whatever it is, the caller felt the swap
                    failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(6):
        number = 2 - n % 2
        serving.applied(project.want(flights=[Arm(number, versions[number])]))
        wait_for(lambda n=number: failed or (seen and seen[-1][0] == n))
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(seen) == {(1, 10), (2, 110)}
    logged = Counter(record["version"] for record in serving.records())
    assert logged == Counter(version for version, _ in seen)


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


def sum_of_known() -> bytes:
    """A model to which a missing value is 0."""
    graph = onnx.parser.parse_graph(
        """agraph (double[N, 4] X) => (double[N, 1] y)
        <double zero = {0.0}, int64[1] axes = {1}>
        { gone = IsNaN(X)
          known = Where(gone, zero, X)
          y = ReduceSum(known, axes) }"""
    )
    made = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9
    )
    return made.SerializeToString()


def test_a_version_on_trial_without_an_answer_to_a_value_is_at_fault(project, models, start):
    imputing = project.package(sum_of_known(), models.NUMBERS)
    project.want(flights=[Arm(1, imputing, 0.0), Arm(2, project.linear(), 1.0, "canary")])
    serving = start()
    answer = serving.predict([{**ROW, "x2": None}])
    assert answer.status_code == 200, answer.text
    assert (answer.status_code, answer.headers["x-everloop-version"]) == (200, "1")
    counts = serving.status()["endpoints"]["flights"]["versions"]["2"]["canary"]
    assert (counts["requests"], counts["errors"]) == (1, 1)
    assert {record["version"] for record in serving.records()} == {1, 2}


def test_a_model_that_fails_is_counted_logged_and_told_in_one_sentence(project, models, start):
    broken = models.linear()
    broken.coef_ = np.array([np.nan] * 4)
    bad = project.package(models.onnx(broken, 4), models.NUMBERS)
    project.want(flights=[Arm(1, project.linear(), 0.0), Arm(2, bad, 1.0, "canary")])
    serving = start()
    answer = serving.predict([ROW])
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "model_failed")
    assert "Version 2" in answer.json()["error"]["message"]
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
    wait_for(lambda: len(serving.records()) == 3)
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
    wait_for(lambda: "more" in serving.status()["endpoints"])
    status = serving.status()
    assert "bytes, expected" in status["errors"]["flights"]
    assert (status["revision"], status["desired"]) == (1, 2)
    assert serving.predict([ROW]).headers["x-everloop-version"] == "1"
    state_path(project.state).write_text("nonsense")
    wait_for(lambda: "" in serving.status()["errors"])
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
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "endpoint_not_loaded")
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


def test_a_key_that_cannot_be_seen_is_refused(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    answer = serving.predict([ROW], headers={"x-everloop-key": "José".encode()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_header")
