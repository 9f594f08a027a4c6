"""Experiments, runs and histories as MLflow's clients see them."""

from __future__ import annotations

import json

import pytest
from wire_helpers import Wire, by_key

INVALID, MISSING = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"


def test_an_experiments_life(wire: Wire) -> None:
    tags = [{"key": "team", "value": "x"}]
    made = wire.post("experiments/create", name="flights", tags=tags)["experiment_id"]
    got = wire.get("experiments/get", experiment_id=made)["experiment"]
    assert got["artifact_location"] == f"mlflow-artifacts:/{made}"
    assert (got["name"], got["lifecycle_stage"]) == ("flights", "active")
    assert by_key(got["tags"]) == {"team": "x"}
    wire.post("experiments/update", experiment_id=made, new_name="trains")
    wire.post("experiments/set-experiment-tag", experiment_id=made, key="empty", value="")
    wire.post("experiments/delete-experiment-tag", experiment_id=made, key="team")
    got = wire.get("experiments/get-by-name", experiment_name="trains")["experiment"]
    assert by_key(got["tags"]) == {"empty": ""}
    run = wire.run(made)["info"]["run_id"]
    wire.post("experiments/delete", experiment_id=made)
    assert wire.get("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "deleted"
    status, code, message = wire.refused("runs/create", experiment_id=made)
    assert (status, code) == (400, INVALID)
    assert "must be in the 'active' state. Current state is deleted" in message
    wire.post("experiments/restore", experiment_id=made)
    assert wire.get("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "active"


def test_names_of_experiments_are_taken_by_deleted_ones_too(wire: Wire) -> None:
    made = wire.post("experiments/create", name="one")["experiment_id"]
    wire.post("experiments/delete", experiment_id=made)
    status, code, message = wire.refused("experiments/create", name="one")
    assert (status, code) == (400, "RESOURCE_ALREADY_EXISTS")
    assert message.startswith("Experiment(name=one) already exists")


def test_what_is_not_there_is_404(wire: Wire, run: str) -> None:
    gone = "0" * 32
    for path, message, said in (
        (
            "runs/log-metric",
            {"key": "m", "value": 1, "timestamp": 1},
            f"Run with id={gone} not found",
        ),
        ("runs/log-parameter", {"key": "p"}, f"Run with id={gone} not found"),
        ("runs/delete", {}, f"Run with id={gone} not found"),
        ("runs/update", {"status": "FINISHED"}, f"Run with id={gone} not found"),
    ):
        assert wire.refused(path, run_id=gone, **message) == (404, MISSING, said)
    assert wire.refused("runs/get", "GET", run_id=gone)[:2] == (404, MISSING)
    assert wire.refused("experiments/get", "GET", experiment_id="77") == (
        404,
        MISSING,
        "No Experiment with id=77 exists",
    )
    assert wire.refused("experiments/get-by-name", "GET", experiment_name="x")[:2] == (404, MISSING)
    assert wire.refused("runs/delete-tag", run_id=run, key="t") == (
        404,
        MISSING,
        f"No tag with name: t in run with id {run}",
    )
    assert wire.refused("logged-models/m-1", "GET")[:2] == (404, MISSING)


def test_a_runs_life(wire: Wire) -> None:
    run = wire.run(user_id="ann", run_name="first", start_time="456")
    info = run["info"]
    assert info["run_id"] == info["run_uuid"]
    assert (info["user_id"], info["run_name"], info["start_time"]) == ("ann", "first", 456)
    assert (info["status"], info["experiment_id"]) == ("RUNNING", "0")
    assert info["artifact_uri"] == f"mlflow-artifacts:/0/{info['run_id']}/artifacts"
    assert by_key(run["data"]["tags"])["mlflow.runName"] == "first"
    told = wire.post("runs/update", run_id=info["run_id"], status="FINISHED", end_time=789)
    assert (told["run_info"]["status"], told["run_info"]["end_time"]) == ("FINISHED", 789)
    wire.post("runs/set-tag", run_id=info["run_id"], key="mlflow.runName", value="second")
    got = wire.get("runs/get", run_id=info["run_id"])["run"]["info"]
    assert (got["run_name"], got["status"]) == ("second", "FINISHED")
    for _ in range(2):
        wire.post("runs/delete", run_id=info["run_id"])
    status, code, message = wire.refused("runs/set-tag", run_id=info["run_id"], key="t", value="v")
    assert (status, code) == (400, INVALID)
    assert message == (
        f"The run {info['run_id']} must be in the 'active' state. Current state is deleted."
    )
    for _ in range(2):
        wire.post("runs/restore", run_id=info["run_id"])
    wire.post("runs/set-tag", run_id=info["run_id"], key="t", value="v")


def test_a_name_that_argument_and_tag_do_not_agree_on(wire: Wire) -> None:
    tags = [{"key": "mlflow.runName", "value": "b"}]
    status, code, message = wire.refused("runs/create", experiment_id="0", run_name="a", tags=tags)
    assert (status, code) == (400, INVALID)
    assert "Both 'run_name' argument and 'mlflow.runName' tag are specified" in message


def test_numbers_that_json_has_not(wire: Wire, run: str) -> None:
    for key, value in (("nan", "NaN"), ("up", "Infinity"), ("down", "-Infinity"), ("x", "0.5")):
        wire.post("runs/log-metric", run_id=run, key=key, value=value, timestamp="1", step="2")
    metrics = by_key(wire.get("runs/get", run_id=run)["run"]["data"]["metrics"])
    assert metrics == {
        "nan": "NaN",
        "up": 1.7976931348623157e308,
        "down": -1.7976931348623157e308,
        "x": 0.5,
    }


def test_the_latest_is_the_largest_of_step_time_and_value(wire: Wire, run: str) -> None:
    for value, at, step in ((1.0, 5, 1), (2.0, 4, 2), (3.0, 4, 2), (9.0, 9, 0)):
        wire.post("runs/log-metric", run_id=run, key="m", value=value, timestamp=at, step=step)
    (latest,) = wire.get("runs/get", run_id=run)["run"]["data"]["metrics"]
    assert latest == {"key": "m", "value": 3.0, "timestamp": 4, "step": 2}


def test_params_are_written_once(wire: Wire, run: str) -> None:
    for _ in range(2):
        wire.post("runs/log-parameter", run_id=run, key="depth", value="3")
    status, code, message = wire.refused("runs/log-parameter", run_id=run, key="depth", value="5")
    assert (status, code) == (400, INVALID)
    assert message == (
        "Changing param values is not allowed. Param with key='depth' was already logged with"
        f" value='3' for run ID='{run}'. Attempted logging new value '5'."
    )
    params = [{"key": "new", "value": "1"}, {"key": "depth", "value": "5"}]
    status, code, message = wire.refused(
        "runs/log-batch",
        run_id=run,
        params=params,
        metrics=[{"key": "m", "value": 1, "timestamp": 1}],
    )
    assert (status, code) == (400, INVALID)
    assert "Changing param values is not allowed. Params were already logged='[{'key': 'depth'" in (
        message
    )
    data = wire.get("runs/get", run_id=run)["run"]["data"]
    assert by_key(data["params"]) == {"depth": "3"}
    assert data["metrics"] == []  # all of a batch or nothing


def test_a_batch(wire: Wire, run: str) -> None:
    wire.post(
        "runs/log-batch",
        run_id=run,
        metrics=[{"key": "m", "value": n, "timestamp": n} for n in range(3)],
        params=[{"key": "p", "value": ""}, {"key": "q"}],
        tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}],
    )
    data = wire.get("runs/get", run_id=run)["run"]["data"]
    assert by_key(data["params"]) == {"p": "", "q": ""}
    assert by_key(data["tags"])["t"] == "2"
    assert by_key(data["metrics"]) == {"m": 2.0}


def test_pages_of_a_history(wire: Wire, run: str) -> None:
    points = [{"key": "m", "value": float(n), "timestamp": 100 + n, "step": n} for n in range(10)]
    wire.post("runs/log-batch", run_id=run, metrics=points)
    found, token = [], ""
    while token is not None:
        page = wire.get(
            "metrics/get-history", run_id=run, metric_key="m", max_results=4, page_token=token
        )
        found, token = found + page["metrics"], page.get("next_page_token")
    assert found == points
    assert wire.get("metrics/get-history", run_id=run, metric_key="none") == {"metrics": []}
    bulk = wire.get("metrics/get-history-bulk", run_id=[run, "gone"], metric_key="m", max_results=3)
    assert bulk == {"metrics": [point | {"run_id": run} for point in points[:3]]}
    few = wire.get(
        "metrics/get-history-bulk-interval", run_ids=[run, "gone"], metric_key="m", max_results=5
    )
    assert [point["step"] for point in few["metrics"]] == [0, 2, 4, 6, 8, 9]


def test_what_a_run_used_and_made(wire: Wire, run: str) -> None:
    model = wire.post("logged-models", experiment_id="0", name="tree", source_run_id=run)["model"]
    model_id = model["info"]["model_id"]
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    used = {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
    wire.post("runs/log-inputs", run_id=run, datasets=[used], models=[{"model_id": model_id}])
    wire.post("runs/outputs", run_id=run, models=[{"model_id": model_id, "step": "3"}])
    got = wire.get("runs/get", run_id=run)["run"]
    assert got["inputs"]["dataset_inputs"] == [used]
    assert got["inputs"]["model_inputs"] == [{"model_id": model_id}]
    assert got["outputs"] == {"model_outputs": [{"model_id": model_id, "step": 3}]}
    summaries = wire.post("experiments/search-datasets", experiment_ids=["0"])
    assert summaries["dataset_summaries"] == [
        {"experiment_id": "0", "name": "d", "digest": "1", "context": "training"}
    ]


def test_a_logged_models_life(wire: Wire, run: str) -> None:
    made = wire.post("logged-models", experiment_id="0", params=[{"key": "p", "value": "1"}])
    model = made["model"]["info"]["model_id"]
    path = f"logged-models/{model}"
    assert made["model"]["info"]["status"] == "LOGGED_MODEL_PENDING"
    ready = wire.ask("PATCH", path, json={"model_id": model, "status": "LOGGED_MODEL_READY"}).json()
    assert ready["model"]["info"]["status"] == "LOGGED_MODEL_READY"
    tags = [{"key": "a/b", "value": "1"}, {"key": "c", "value": "2"}]
    assert wire.ask("PATCH", f"{path}/tags", json={"tags": tags}).status_code == 200
    assert wire.ask("DELETE", f"{path}/tags/a/b").status_code == 200
    assert wire.refused(f"{path}/tags/a/b", "DELETE")[1:] == (
        MISSING,
        f"No tag with key 'a/b' found for model with ID '{model}'.",
    )
    wire.post(f"{path}/params", params=[{"key": "q", "value": "2"}])
    wire.post(
        "runs/log-metric",
        **{"run_id": run, "key": "m", "value": "NaN", "timestamp": 7, "step": 1},
        model_id=model,
        dataset_name="d",
        dataset_digest="1",
    )
    got = wire.get(path)["model"]
    assert by_key(got["info"]["tags"]) == {"c": "2"}
    assert by_key(got["data"]["params"]) == {"p": "1", "q": "2"}
    assert got["data"]["metrics"] == [
        {
            "key": "m",
            "value": "NaN",
            "timestamp": 7,
            "step": 1,
            "run_id": run,
            "model_id": model,
            "dataset_name": "d",
            "dataset_digest": "1",
        }
    ]
    assert wire.ask("DELETE", path, json={"model_id": model}).status_code == 200
    assert wire.refused(path, "GET") == (404, MISSING, f"Logged model with ID '{model}' not found.")
    assert wire.get(path, allow_deleted="true")["model"]["info"]["model_id"] == model


def test_models_of_clients_before_3(wire: Wire, run: str) -> None:
    model = {"artifact_path": "model", "flavors": {}, "utc_time_created": "now", "run_id": run}
    for path in ("one", "two"):
        text = json.dumps(model | {"artifact_path": path, "signature": {"inputs": "x" * 9000}})
        wire.post("runs/log-model", run_id=run, model_json=text)
    tags = by_key(wire.get("runs/get", run_id=run)["run"]["data"]["tags"])
    kept = json.loads(tags["mlflow.log-model.history"])
    assert [one["artifact_path"] for one in kept] == ["one", "two"]
    assert wire.refused("runs/log-model", run_id=run, model_json="{}")[2].startswith(
        "Model json is missing mandatory fields"
    )


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"])
def test_everything_is_below_both_prefixes(wire: Wire, prefix: str) -> None:
    answer = wire.ask("GET", prefix + "experiments/get", params={"experiment_id": "0"})
    assert answer.json()["experiment"]["name"] == "Default"


def test_what_clients_ask_of_the_server_itself(wire: Wire) -> None:
    version = wire.ask("GET", "/version")
    assert (version.text, version.headers["content-type"]) == (
        "3.17.2",
        "text/plain; charset=utf-8",
    )
    assert wire.ask("GET", "/health").status_code == 200
    info = wire.get("/api/3.0/mlflow/server-info")
    assert info["workspaces_enabled"] is False
    assert info == wire.get("/ajax-api/3.0/mlflow/server-info")


@pytest.mark.parametrize(
    ("location", "run_location"),
    [
        ("s3://bucket/a/?region=x", "s3://bucket/a/{run}/artifacts?region=x"),
        ("mysql://h:1/db?driver=d", "mysql://h:1/db/{run}/artifacts?driver=d"),
        ("/srv/a?b", "/srv/a?b/{run}/artifacts"),
        ("s3://bucket/a/", "s3://bucket/a/{run}/artifacts"),
    ],
)
def test_a_location_keeps_its_query_at_its_end(
    wire: Wire, location: str, run_location: str
) -> None:
    made = wire.post("experiments/create", name="e", artifact_location=location)
    run = wire.post("runs/create", experiment_id=made["experiment_id"])["run"]["info"]
    assert run["artifact_uri"] == run_location.format(run=run["run_id"])


def test_more_datasets_than_a_page_come_at_once(wire: Wire) -> None:
    run = wire.post("runs/create", experiment_id="0")["run"]["info"]["run_id"]
    told = [
        {"dataset": {"name": f"d{n}", "digest": "x", "source_type": "s", "source": "s"}}
        for n in range(1010)
    ]
    wire.post("runs/log-inputs", run_id=run, datasets=told)
    found = wire.get("runs/get", run_id=run)["run"]["inputs"]["dataset_inputs"]
    assert [one["dataset"]["name"] for one in found] == [f"d{n}" for n in range(1010)]


def test_a_search_gives_whole_runs_as_a_look_at_each_does(wire: Wire) -> None:
    texts = ['"', "\\", "'", "a\nb\tc\x01\x7f", "é\u2028日本\U0001f600", "[1]", '{"key": 1}', ""]
    pairs = [{"key": f"k{n}", "value": text} for n, text in enumerate(texts)]
    numbers = [0.1 + 0.2, 5e-324, -1e308, "NaN", "Infinity", 3, 1 / 3]
    metrics = [
        {"key": f"m{n}", "value": value, "timestamp": 2**40 + n, "step": n}
        for n, value in enumerate(numbers)
    ]
    ids = [wire.run(run_name=name)["info"]["run_id"] for name in ("é", '"', "plain")]
    for id in ids[:2]:
        wire.post("runs/log-batch", run_id=id, params=pairs, tags=pairs, metrics=metrics)
        data = [{"dataset": {"name": "d", "digest": id[:8], "source_type": "s", "source": "{}"}}]
        wire.post("runs/log-inputs", run_id=id, datasets=data)
    found = wire.post("runs/search", experiment_ids=["0"])["runs"]
    assert {run["info"]["run_id"] for run in found} == set(ids)
    for run in found:
        one = wire.get("runs/get", run_id=run["info"]["run_id"])["run"]
        assert run == one
        assert len(run["data"]["params"]) in (0, len(texts))
    assert wire.post("runs/search", experiment_ids=["0"], filter="tags.k0 = 'none'") == {"runs": []}


def test_an_experiment_in_the_other_state_is_not_there(wire: Wire) -> None:
    made = wire.post("experiments/create", name="e")["experiment_id"]
    said = (404, MISSING, f"No Experiment with id={made} exists")
    assert wire.refused("experiments/restore", experiment_id=made) == said
    wire.post("experiments/delete", experiment_id=made)
    assert wire.refused("experiments/delete", experiment_id=made) == said


def test_a_tag_that_an_experiment_lacks(wire: Wire) -> None:
    said = wire.refused("experiments/delete-experiment-tag", experiment_id="0", key="none")
    assert said == (404, MISSING, "No tag with name: none in experiment with id 0")
