"""What a user does wrong, or an attacker tries: refused in MLflow's form, never with a 5xx."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from wire_helpers import API, Wire, by_key

from everloop.tracking.mlflow_api.table import ENTRIES

Connect = Callable[..., Wire]
INVALID = "INVALID_PARAMETER_VALUE"
POINT = {"key": "m", "value": 1.0, "timestamp": 1}

BATCHES = [
    (
        {"metrics": [POINT | {"step": n} for n in range(1001)]},
        "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split"
        " up metrics across multiple requests and try again.",
    ),
    ({"params": [{"key": f"p{n}"} for n in range(101)]}, "at most 100 params. Got 101 params."),
    ({"tags": [{"key": f"t{n}"} for n in range(101)]}, "at most 100 tags. Got 101 tags."),
    (
        {
            "metrics": [POINT | {"step": n} for n in range(950)],
            "params": [{"key": f"p{n}"} for n in range(51)],
        },
        "at most 1000 metrics, params, and tags. Got 1001 metrics, params, and tags.",
    ),
    (
        {"params": [{"key": "p", "value": "1"}, {"key": "p", "value": "1"}]},
        "Duplicate parameter keys have been submitted: ['p'].",
    ),
    (
        {"metrics": [POINT, {"key": "m", "value": 1}]},
        "Missing value for required parameter 'metrics[1].timestamp'.",
    ),
    (
        {"metrics": [POINT | {"timestamp": -1}]},
        "Invalid value -1 for parameter 'metrics[0].timestamp' supplied: metric 'm' (value=1.0)."
        " Timestamp must be a nonnegative long (64-bit integer) ",
    ),
    ({"metrics": [POINT | {"key": "k" * 251}]}, "'Metric name' exceeds the maximum length of 250"),
    ({"params": [{"key": "k" * 251}]}, "'Param key' exceeds the maximum length of 250 characters"),
    ({"tags": [{"key": "k" * 251}]}, "'tags[0].key' exceeds the maximum length of 250 characters"),
]


@pytest.mark.parametrize(("batch", "message"), BATCHES)
def test_a_batch_beyond_its_limits(
    shared_wire: Wire, shared_run: str, batch: dict[str, Any], message: str
) -> None:
    status, code, said = shared_wire.refused("runs/log-batch", run_id=shared_run, **batch)
    assert (status, code) == (400, INVALID)
    assert message in said
    data = shared_wire.get("runs/get", run_id=shared_run)["run"]["data"]
    assert (data["metrics"], data["params"]) == ([], [])


TRICKS = [
    "..",
    "../x",
    "a/../b",
    "a//b",
    "/a",
    ".",
    "./a",
    "a/",
    "a/.",
    "a#b",
    "a\\b",
    "a%2e%2e",
    "a\nb",
]


@pytest.mark.parametrize("key", TRICKS)
def test_keys_that_are_other_names_as_paths(shared_wire: Wire, shared_run: str, key: str) -> None:
    point = {"key": key, "value": 1.0, "timestamp": 1}
    for path, message in (
        ("runs/log-metric", point),
        ("runs/log-parameter", {"key": key, "value": "1"}),
        ("runs/set-tag", {"key": key, "value": "1"}),
        ("runs/log-batch", {"metrics": [point]}),
        ("runs/log-batch", {"params": [{"key": key}]}),
        ("runs/log-batch", {"tags": [{"key": key}]}),
    ):
        status, code, said = shared_wire.refused(path, run_id=shared_run, **message)
        assert (status, code) == (400, INVALID), path
        assert said.startswith("Invalid value ") and "Names may" in said


def test_values_somewhat_too_long_are_cut_and_far_too_long_ones_refused(
    wire: Wire, run: str
) -> None:
    wire.post("runs/log-parameter", run_id=run, key="p", value="x" * 7000)
    wire.post("runs/set-tag", run_id=run, key="t", value="x" * 9000)
    data = wire.get("runs/get", run_id=run)["run"]["data"]
    assert (len(by_key(data["params"])["p"]), len(by_key(data["tags"])["t"])) == (6000, 8000)
    huge = "x" * 10_000_000
    assert wire.refused("runs/log-parameter", run_id=run, key="q", value=huge) == (
        400,
        INVALID,
        "'Param value' exceeds the maximum length of 6000 characters",
    )
    assert wire.refused("runs/set-tag", run_id=run, key="u", value=huge) == (
        400,
        INVALID,
        "'value' exceeds the maximum length of 8000 characters",
    )


def test_a_body_beyond_the_limit(connect: Connect) -> None:
    wire = connect(max_body_mb=0.001)
    assert wire.refused("runs/set-tag", run_id="a", key="t", value="x" * 2000)[:2] == (413, INVALID)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "null",
        "invalid_token",
        "e30",
        base64.b64encode(b'{"offset": 5}').decode(),
        "☃",
        "A" * 50_000,
    ],
)
def test_a_forged_page_token(wire: Wire, run: str, token: str) -> None:
    wire.post("runs/log-metric", run_id=run, **POINT)
    history = {"run_id": run, "metric_key": "m", "page_token": token}
    assert wire.refused("metrics/get-history", "GET", **history)[:2] == (400, INVALID)
    for path in ("runs/search", "logged-models/search"):
        message = {"experiment_ids": ["0"], "page_token": token}
        assert wire.refused(path, **message)[:2] == (400, INVALID), path
    assert wire.refused("experiments/search", page_token=token)[:2] == (400, INVALID)


@pytest.mark.parametrize("limit", [0, -1, 50_001, 123_456_789, 2**63, "many", 1.5])
def test_page_sizes_out_of_bounds(wire: Wire, run: str, limit: Any) -> None:
    status, code, said = wire.refused("runs/search", experiment_ids=["0"], max_results=limit)
    assert (status, code) == (400, INVALID)
    assert "for parameter 'max_results' supplied" in said
    assert wire.refused("experiments/search", max_results=limit)[:2] == (400, INVALID)


HOSTILE = "'; DROP TABLE runs; --"


@pytest.mark.parametrize(
    "filter",
    [
        f"tags.a = {HOSTILE}",
        "tags.a = '" + HOSTILE + "'",
        'tags."' + HOSTILE + "\" = 'x'",
        "params.`" + HOSTILE + "` LIKE '%'",
        'metrics."a\' OR 1=1 --" > 0',
        "attributes.status = 'a' OR '1'='1'",
        "attributes.nothing = 'x'",
        "name UNION SELECT",
        "((((",
        "metrics.m > 1e400",
        "\0",
        "x" * 100_000,
    ],
)
def test_sql_in_a_filter_changes_nothing(wire: Wire, run: str, filter: str) -> None:
    for path, message in (
        ("runs/search", {"experiment_ids": ["0"], "filter": filter}),
        ("runs/search", {"experiment_ids": ["0"], "order_by": [filter]}),
        ("experiments/search", {"filter": filter}),
        ("experiments/search", {"order_by": [filter]}),
        ("logged-models/search", {"experiment_ids": ["0"], "filter": filter}),
        ("logged-models/search", {"experiment_ids": ["0"], "order_by": [{"field_name": filter}]}),
    ):
        answer = wire.ask("POST", path, json=message)
        assert answer.status_code in (200, 400), (path, answer.text)
        if answer.status_code == 400:
            assert answer.json()["error_code"] == INVALID
    assert wire.get("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "active"


@pytest.mark.parametrize("id", ["x", "1; --", "", "-1", "1e3", "٣", "9" * 40, "../0"])
def test_ids_of_experiments(wire: Wire, id: str) -> None:
    status, code, _ = wire.refused("experiments/get", "GET", experiment_id=id)
    assert (status, code) in ((400, INVALID), (404, "RESOURCE_DOES_NOT_EXIST"))
    assert wire.ask("POST", "runs/search", json={"experiment_ids": [id]}).status_code in (
        200,
        400,
        404,
    )


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3://bucket/a#b", "can't include fragments or params"),
        ("s3://bucket/a?x=../b", "Invalid query string"),
        ("s3://bucket/a?x=%252e%252e/b", "Invalid query string"),
        ("runs:/abc/x", "cannot be a runs:/ URI"),
        ("s3://" + "b" * 3000, "Invalid artifact path length"),
    ],
)
def test_locations_of_artifacts(wire: Wire, location: str, message: str) -> None:
    status, code, said = wire.refused("experiments/create", name="e", artifact_location=location)
    assert (status, code) == (400, INVALID)
    assert message in said


def test_a_foreign_host_and_a_foreign_page(connect: Connect) -> None:
    answer = connect("http://evil.example").ask("GET", "experiments/search?max_results=1")
    assert (answer.status_code, answer.json()["error_code"]) == (421, "PERMISSION_DENIED")
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = connect().ask("POST", "experiments/create", json={"name": "e"}, headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    form = connect().ask("POST", "experiments/create", data={"name": "e"})
    assert form.json()["message"] == (
        "Bad Request. Content-Type must be one of ['application/json']."
    )


def test_a_token_that_is_not_the_right_one(connect: Connect) -> None:
    wire = connect(token="s3cret")
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic !!"}):
        answer = wire.ask("GET", "experiments/search?max_results=1", headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    for scheme in ("Bearer s3cret", "Basic " + base64.b64encode(b"user:s3cret").decode()):
        headers = {"authorization": scheme}
        answer = wire.ask("GET", "experiments/search?max_results=1", headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/traces",
        "/api/3.0/mlflow/traces/search",
        "/ajax-api/3.0/mlflow/traces/tr-1/assessments",
        "/api/3.0/mlflow/scorers/register",
        "/ajax-api/3.0/mlflow/gateway/endpoints/create",
        "/api/3.0/mlflow/datasets/create",
        "/api/3.0/mlflow/issues",
        "/api/3.0/mlflow/label-schemas/create",
        "/api/3.0/mlflow/review-queues/create",
        "/ajax-api/3.0/mlflow/jobs/1",
        "/api/3.0/mlflow/prompt-optimization/jobs",
        "/api/3.0/mlflow/workspaces",
        "/ajax-api/2.0/mlflow/runs/create-promptlab-run",
        "/graphql",
    ],
)
def test_what_is_out_of_scope_says_so(connect: Connect, path: str) -> None:
    answer = connect().ask("POST", path, json={})
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


def test_paths_and_methods_that_are_not_there(connect: Connect) -> None:
    wire = connect()
    answer = wire.ask("POST", "nothing/here", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    answer = wire.ask("PUT", "runs/log-metric", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (405, "BAD_REQUEST")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.method} {entry.path}")
@pytest.mark.parametrize("body", [b"", b"{", b'{"run_id": 1, "name": []}', b"\x00\xff"])
def test_no_path_answers_nonsense_with_5xx(sqlite_wire: Wire, entry: Any, body: bytes) -> None:
    path = entry.path if entry.path.startswith("/") else API + entry.path
    for name in ("model_id", "webhook_id"):
        path = path.replace("{" + name + "}", "x")
    path = path.replace("{tag_key:path}", "x").replace("{path:path}", "x")
    headers = {"content-type": "application/json"}
    answer = sqlite_wire.ask(entry.method, path, content=body, headers=headers)
    assert answer.status_code < 500, answer.text


def test_slashes_too_many_lead_to_the_path_with_one(wire: Wire) -> None:
    answer = wire.ask("GET", "/model-versions//get-artifact?path=..%2Fx&name=m&version=1")
    assert answer.status_code == 308
    answer = wire.ask("GET", answer.headers["location"])
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid path")
    assert wire.ask("GET", "/a///b//").headers["location"] == "/a/b/"
