from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from wire_helpers import Wire, by_key

from everloop.deploy.state import Arm
from everloop.loop.project import Project
from everloop.registry.records import TEXT

INVALID, MISSING, TAKEN = (
    "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS",
)  # fmt: skip
MODEL, VERSION = "registered-models/", "model-versions/"


def version(wire: Wire, name: str = "m", **message: Any) -> dict[str, Any]:
    message = {"name": name, "source": "s3://b/m", **message}
    made: dict[str, Any] = wire.post(VERSION + "create", **message)["model_version"]
    return made


def fill(wire: Wire) -> Wire:
    wire.post(MODEL + "create", name="m", tags=[{"key": "a", "value": "1"}])
    version(wire, run_id="r", tags=[{"key": "k", "value": "v"}], description="d")
    return wire


@pytest.fixture
def filled(wire: Wire) -> Wire:
    return fill(wire)


@pytest.fixture(scope="module")
def refusing(shared_wire: Wire) -> Wire:
    """The same, for requests that are all refused."""
    return fill(shared_wire)


def test_shapes(filled: Wire) -> None:
    made = filled.get(VERSION + "get", name="m", version="1")["model_version"]
    times = {"creation_timestamp", "last_updated_timestamp"}
    assert all(isinstance(made.pop(key), int) for key in times)
    assert made == {
        "name": "m", "version": "1", "current_stage": "None", "status": "READY",
        "source": "s3://b/m", "run_id": "r", "description": "d",
        "tags": [{"key": "k", "value": "v"}], "aliases": [],
    }  # fmt: skip
    filled.post(MODEL + "alias", name="m", alias="best", version="1")
    model = filled.get(MODEL + "get", name="m")["registered_model"]
    assert model["aliases"] == [{"alias": "best", "version": "1"}]
    assert model["latest_versions"][0]["aliases"] == ["best"]
    assert by_key(model["tags"]) == {"a": "1"}
    found = filled.get(MODEL + "search", filter="tags.a = '1'")["registered_models"]
    assert found == [model]


@pytest.mark.parametrize(
    ("path", "method", "message", "expected"),
    [
        ("create", "POST", {}, (400, INVALID, "Missing value for required parameter 'name'.")),
        ("create", "POST", {"name": " "}, (400, INVALID, "Missing value for required parameter")),
        ("create", "POST", {"name": "a/b"}, (400, INVALID, "Names cannot contain '/' or ':'")),
        ("create", "POST", {"name": ".."}, (400, INVALID, "must not resolve to other names")),
        ("create", "POST", {"name": "x" * 257}, (400, INVALID, "'name' exceeds the maximum")),
        ("create", "POST", {"name": "m"}, (400, TAKEN, "Registered Model (name=m) already exists")),
        ("create", "POST", {"name": "n", "tags": [{"key": "a\nb", "value": ""}]},
         (400, INVALID, "Names may only contain")),
        ("get", "GET", {"name": "n"}, (404, MISSING, "Registered Model with name=n not found")),
        ("rename", "POST", {"name": "m", "new_name": " "}, (400, INVALID, "'new_name'")),
        ("rename", "POST", {"name": "n", "new_name": "o"}, (404, MISSING, "name=n not found")),
        ("update", "PATCH", {"name": "n"}, (404, MISSING, "name=n not found")),
        ("delete", "DELETE", {"name": "n"}, (404, MISSING, "name=n not found")),
        ("search", "GET", {"max_results": "1001"}, (400, INVALID, "max_results")),
        ("search", "GET", {"filter": "odd"}, (400, INVALID, "filter")),
        ("search", "GET", {"page_token": "forged"}, (400, INVALID, "Invalid page token")),
        ("search", "GET", {"order_by": "odd ASC"}, (400, INVALID, "odd")),
        ("set-tag", "POST", {"name": "m", "key": "k" * 251, "value": ""},
         (400, INVALID, "'key' exceeds the maximum length of 250 characters")),
        ("set-tag", "POST", {"name": "m", "key": "k", "value": "x" * (TEXT + 1)},
         (400, INVALID, "'value' exceeds the maximum length of 100000 characters")),
        ("alias", "POST", {"name": "m", "alias": "latest", "version": "1"},
         (400, INVALID, "'latest' alias name (case insensitive) is reserved.")),
        ("alias", "POST", {"name": "m", "alias": "v1", "version": "1"},
         (400, INVALID, "Version alias name 'v1' is reserved.")),
        ("alias", "POST", {"name": "m", "alias": "a.b", "version": "1"},
         (400, INVALID, "Invalid alias name: 'a.b'.")),
        ("alias", "POST", {"name": "m", "alias": "a", "version": "9"},
         (404, MISSING, "Model Version (name=m, version=9) not found")),
        ("alias", "GET", {"name": "m", "alias": "none"},
         (400, INVALID, "Registered model alias none not found.")),
        ("alias", "GET", {"name": "n", "alias": "none"}, (404, MISSING, "name=n not found")),
        ("alias", "DELETE", {"name": "n", "alias": "x"}, (404, MISSING, "name=n not found")),
        ("get-latest-versions", "POST", {"name": "m", "stages": ["odd"]},
         (400, INVALID, "Invalid Model Version stage: odd. Value must be one of None, Staging")),
    ],
)  # fmt: skip
def test_refusals_of_models(
    refusing: Wire, path: str, method: str, message: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    status, code, said = refusing.refused(MODEL + path, method, **message)
    assert (status, code) == expected[:2]
    assert expected[2] in said


@pytest.mark.parametrize(
    ("path", "method", "message", "expected"),
    [
        ("create", "POST", {"name": "m"}, (400, INVALID, "required parameter 'source'")),
        ("create", "POST", {"name": "n", "source": "s3://b"}, (404, MISSING, "name=n not found")),
        ("get", "GET", {"name": "m", "version": "x"},
         (400, INVALID, "Parameter 'version' must be an integer, got 'x'.")),
        ("get", "GET", {"name": "m", "version": "2"},
         (404, MISSING, "Model Version (name=m, version=2) not found")),
        ("get", "GET", {"name": "m", "version": "9" * 20}, (404, MISSING, "not found")),
        ("get", "GET", {"name": "m", "version": "-1"}, (404, MISSING, "not found")),
        ("delete", "DELETE", {"name": "m", "version": "2"}, (404, MISSING, "not found")),
        ("update", "PATCH", {"name": "m", "version": "2"}, (404, MISSING, "not found")),
        ("transition-stage", "POST", {"name": "m", "version": "1", "stage": "odd"},
         (400, INVALID, "Invalid Model Version stage: odd.")),
        ("transition-stage", "POST",
         {"name": "m", "version": "1", "stage": "Archived", "archive_existing_versions": True},
         (400, INVALID, "is not an Active stage. Valid stages are ['Staging', 'Production']")),
        ("search", "GET", {"filter": "odd"}, (400, INVALID, "filter")),
        ("search", "GET", {"max_results": "200001"}, (400, INVALID, "max_results")),
        ("set-tag", "POST", {"name": "m", "version": "1", "key": ""}, (400, INVALID, "'key'")),
        ("get-download-uri", "GET", {"name": "m", "version": "2"}, (404, MISSING, "not found")),
    ],
)  # fmt: skip
def test_refusals_of_versions(
    refusing: Wire, path: str, method: str, message: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    status, code, said = refusing.refused(VERSION + path, method, **message)
    assert (status, code) == expected[:2]
    assert expected[2] in said


@pytest.mark.parametrize(
    "source",
    ["/etc", "etc", "file:///etc", "s3://b/../m", "s3://b/..%2fm", "s3://b/%252e%252e/m",
     "mlflow-artifacts:/a/../b", "mlflow-artifacts:/a/b%00", "http://h/a/../b", "dbfs:/a/%2e%2e/b",
     "s3://b/a\\..\\b", "file://elsewhere/etc", "http://[bad", "models://other/m/1",
     "models:/m/../1", "models:/", "models:/m-" + "0" * 32, "models:/m/9", "models:/none/1",
     "models:/m@none", "models:/m/Production", "models:/m/1?x=/../", "%66ile:///etc",
     "s3://b/%" + "25" * 40 + "2e"],
)  # fmt: skip
def test_sources_that_lead_elsewhere(refusing: Wire, shared_run: str, source: str) -> None:
    for more in ({}, {"run_id": shared_run}):
        status, _, said = refusing.refused(VERSION + "create", name="m", source=source, **more)
        assert status in (400, 404), said


def test_sources_that_are_taken(filled: Wire, run: str) -> None:
    for source in (
        "s3://b/m", "runs:/abc/model", "mlflow-artifacts:/1/x/artifacts/m", "gs://b/..../m",
        "mlflow-artifacts:/models///", "dbfs:/a/b", "hdfs://h/p",
    ):  # fmt: skip
        assert version(filled, source=source, run_id=run)["source"] == source
    copied = version(filled, source="models:/m/1")
    assert (copied["source"], copied["run_id"]) == ("models:/m/1", "r")
    where = filled.get(VERSION + "get-download-uri", name="m", version=copied["version"])
    assert where == {"artifact_uri": "s3://b/m"}
    latest = version(filled, source="models:/m/latest")
    assert latest["source"] == f"models:/m/{copied['version']}"
    wrong = {"name": "m", "source": "models:/m/1", "run_id": "other"}
    assert "must match" in filled.refused(VERSION + "create", **wrong)[2]


def test_a_local_source_below_the_runs_artifacts(filled: Wire) -> None:
    made = filled.post("experiments/create", name="e", artifact_location="file:///srv/e")
    info = filled.run(made["experiment_id"])["info"]
    root, run = info["artifact_uri"], info["run_id"]
    path = root.removeprefix("file://")
    for source in (root, f"{root}/m", f"{root}/m/..", path, f"{path}/m"):
        assert version(filled, source=source, run_id=run)["source"] == source
    for source in (f"{root}/../x", f"{path}-x", f"{root}/%2e%2e/x", "/srv/e"):
        said = filled.refused(VERSION + "create", name="m", source=source, run_id=run)[2]
        assert "To use a local path as a model version source" in said
    said = filled.refused(VERSION + "create", name="m", source=root)[2]
    assert "the run_id request parameter has to be specified" in said


def test_a_logged_model_is_registered(filled: Wire) -> None:
    logged = filled.post("logged-models", experiment_id="0", name="net")["model"]["info"]
    id = logged["model_id"]
    made = version(filled, source=f"models:/{id}")
    assert made["model_id"] == id
    where = filled.get(VERSION + "get-download-uri", name="m", version=made["version"])
    assert where["artifact_uri"] == logged["artifact_uri"]
    tags = filled.get(f"logged-models/{id}")["model"]["info"]["tags"]
    assert by_key(tags)["mlflow.modelVersions"] == '[{"name": "m", "version": 2}]'
    said = filled.refused(VERSION + "create", name="m", source="s3://b", model_id="m-none")
    assert said[:2] == (400, INVALID)


def test_prompts_hide_from_who_looks_for_models(filled: Wire) -> None:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    filled.post(MODEL + "create", name="p", tags=tags)
    version(filled, "p", source="dummy-source", tags=tags)
    found = filled.get(MODEL + "search")["registered_models"]
    assert [model["name"] for model in found] == ["m"]
    where = "tags.`mlflow.prompt.is_prompt` = 'true'"
    found = filled.get(MODEL + "search", filter=where)["registered_models"]
    assert [model["name"] for model in found] == ["p"]
    assert len(filled.get(VERSION + "search")["model_versions"]) == 1
    status, code, said = filled.refused(MODEL + "create", name="m", tags=tags)
    assert (status, code) == (400, TAKEN) and "already taken by a registered model" in said
    real = {"name": "p", "source": "s3://b/m", "tags": tags}
    assert "placeholder" in filled.refused(VERSION + "create", **real)[2]
    copy = {"name": "m", "source": "models:/p/1"}
    assert "Prompt versions cannot be used" in filled.refused(VERSION + "create", **copy)[2]


def test_what_is_served_is_not_deleted(wire: Wire, project: Project) -> None:
    project.registry.register(
        "flights", key="k", digest="a" * 64, algorithm="ridge", files={}, actor="t"
    )
    project.endpoints.set_rollout("flights", "flights", [Arm(1, "a" * 64)], "t")
    for path, method, message in (
        (VERSION + "delete", "DELETE", {"version": "1"}),
        (MODEL + "delete", "DELETE", {}),
        (MODEL + "rename", "POST", {"new_name": "n"}),
        (MODEL + "alias", "POST", {"alias": "champion", "version": "1"}),
    ):
        status, code, said = wire.refused(path, method, name="flights", **message)
        assert (status, code) == (409, "RESOURCE_CONFLICT")
        assert "endpoint" in said
    status, _, said = wire.refused(VERSION + "get-download-uri", "GET", name="flights", version="1")
    assert status == 400 and "model package" in said


def test_who_did_what(filled: Wire, project: Project) -> None:
    filled.post(MODEL + "alias", name="m", alias="best", version="1")
    events = project.events.page(subject="model:m")
    assert [event.kind for event in events] == [
        "model.created", "model.registered", "model.alias_set",
    ]  # fmt: skip
    assert {event.actor for event in events} == {"http:local"}


def test_webhooks(connect: Callable[..., Wire]) -> None:
    wire = connect()
    hook = {
        "name": "ci", "url": "https://example.com/x", "secret": "s3cret",
        "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
    }  # fmt: skip
    made = wire.post("webhooks", **hook)["webhook"]
    assert "secret" not in made and made["status"] == "ACTIVE"
    assert made["events"] == hook["events"]
    path = f"webhooks/{made['webhook_id']}"
    change = {"events": [{"entity": 1, "action": 1}], "status": 2, "description": "d"}
    changed = wire.ask("PATCH", path, json=change).json()["webhook"]
    assert changed["events"] == [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]
    assert (changed["status"], changed["description"]) == ("DISABLED", "d")
    for wrong, says in (
        ({"url": "http://example.com"}, "Invalid webhook URL scheme"),
        ({"url": "https://169.254.169.254/"}, "non-public"),
        ({"name": "-"}, "Webhook name '-' is invalid"),
        ({"events": []}, "non-empty list"),
        ({"events": [{"entity": "MODEL_VERSION", "action": "DELETED"}]}, "Valid actions are"),
        ({"events": [{"entity": "ODD", "action": "CREATED"}]}, "entity"),
        ({"secret": "x" * 1001}, "exceeds the maximum"),
        ({"status": "ODD"}, "status"),
    ):
        status, code, said = wire.refused("webhooks", **{**hook, **wrong})
        assert (status, code) == (400, INVALID) and says in said
    assert "between 1 and 1000" in wire.refused("webhooks", "GET", max_results="1001")[2]
    assert wire.refused("webhooks/none", "GET")[1] == MISSING
    assert wire.ask("DELETE", path).status_code == 200
    assert wire.refused(path, "GET")[2] == f"Webhook with ID {made['webhook_id']} not found."


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("model-versions/update", {"description": "x"}),
        ("model-versions/set-tag", {"key": "k", "value": "v"}),
        ("model-versions/transition-stage", {"stage": "Staging"}),
        ("registered-models/alias", {"alias": "best"}),
    ],
)
def test_a_version_of_a_missing_model_is_a_missing_version(
    wire: Wire, path: str, more: dict[str, str]
) -> None:
    said = (404, "RESOURCE_DOES_NOT_EXIST", "Model Version (name=gone, version=1) not found")
    assert wire.refused("model-versions/get", "GET", name="gone", version="1") == said
    method = "PATCH" if path.endswith("update") else "POST"
    assert wire.refused(path, method, name="gone", version="1", **more) == said


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("registered-models/search", "Invalid order by key 'run_id' specified"),
        ("model-versions/search", "Invalid attribute key 'run_id' specified"),
    ],
)
def test_an_order_names_the_key_that_it_cannot_have(wire: Wire, path: str, words: str) -> None:
    status, _, said = wire.refused(path, "GET", order_by=["name ASC", "run_id DESC"])
    assert status == 400
    assert words in said
