from __future__ import annotations

from urllib.parse import quote

import pytest
from server_helpers import Client

from everloop.loop.project import Project

V1 = "/api/v1"
ODD = "été 100% <b>@x?y#z"


def test_a_model_from_its_making_to_its_end(client: Client, project: Project) -> None:
    made = client.post(f"{V1}/models", json={"name": ODD, "tags": {"a": "1"}})
    assert (made.status_code, made.json()["name"], made.json()["newest"]) == (201, ODD, None)
    assert client.post(f"{V1}/models", json={"name": ODD}).status_code == 409
    assert client.post(f"{V1}/models", json={"name": "a/b"}).status_code == 422
    path = f"{V1}/models/{quote(ODD, safe='')}"
    assert client.get(path).json()["tags"] == {"a": "1"}
    body = {"description": "what it is", "tags": {"a": None, "b/c": "2"}}
    changed = client.patch(path, json=body).json()
    assert (changed["description"], changed["tags"]) == ("what it is", {"b/c": "2"})
    new = client.post(f"{path}/versions", json={"source": "s3://bucket/m", "tags": {"x": "y"}})
    assert (new.status_code, new.json()["version"], new.json()["digest"]) == (201, 1, None)
    climbing = client.post(f"{path}/versions", json={"source": "s3://bucket/%252e%252e/m"})
    assert (climbing.status_code, climbing.json()["error"]["code"]) == (422, "source_climbs")
    local = client.post(f"{path}/versions", json={"source": "/etc"})
    assert (local.status_code, local.json()["error"]["code"]) == (422, "source_not_below")
    staged = {"stage": "staging", "archive_others": True, "description": "v1", "tags": {"x": None}}
    version = client.patch(f"{path}/versions/1", json=staged).json()
    assert (version["stage"], version["description"], version["tags"]) == ("Staging", "v1", {})
    assert client.patch(f"{path}/versions/1", json={"stage": "odd"}).status_code == 422
    renamed = client.patch(path, json={"name": "plain"}).json()
    assert (renamed["name"], renamed["newest"]) == ("plain", 1)
    assert client.get(path).status_code == 404
    assert client.delete(f"{V1}/models/plain/versions/1").json() == {"deleted": "plain/1"}
    assert client.delete(f"{V1}/models/plain").json() == {"deleted": "plain"}
    assert client.get(f"{V1}/models/plain").status_code == 404
    events = client.get(f"{V1}/events?subject=model:plain&after=0").json()["items"]
    assert [event["kind"] for event in events] == [
        "model.renamed", "model.version_deleted", "model.deleted",
    ]  # fmt: skip
    assert {event["actor"] for event in events} == {"http:local"}


def test_searching(client: Client, project: Project) -> None:
    for number in range(5):
        project.registry.create_model(f"m{number}", actor="t", tags={"even": str(number % 2 == 0)})
        project.registry.create_version(f"m{number}", source="s3://b/m", actor="t")
    where = f"{V1}/models?filter={quote('tags.even = ' + repr('True'))}&order_by=name%20DESC"
    page = client.get(f"{where}&limit=2").json()
    assert [model["name"] for model in page["items"]] == ["m4", "m2"]
    rest = client.get(f"{where}&limit=2&after={page['next']}").json()
    assert ([model["name"] for model in rest["items"]], rest["next"]) == (["m0"], None)
    for bad in ("filter=odd", "order_by=odd", "after=forged", "limit=0", "before=1"):
        assert client.get(f"{V1}/models?{bad}").status_code == 422, bad
    found = client.get(f"{V1}/model-versions?filter=name%20%3D%20'm3'").json()["items"]
    assert [(version["model"], version["version"]) for version in found] == [("m3", 1)]


@pytest.mark.parametrize("path", ["models/none", "models/none/versions/1", "webhooks/none"])
def test_what_is_not_there(client: Client, path: str) -> None:
    for method in (client.get, client.delete):
        assert method(f"{V1}/{path}").status_code == 404
    assert client.patch(f"{V1}/{path}", json={}).status_code == 404


def test_webhooks_show_no_secret(client: Client, project: Project) -> None:
    body = {
        "name": "ci", "url": "https://example.com/hook/tok3n", "secret": "s3cret",
        "events": ["model_version.created"],
    }  # fmt: skip
    made = client.post(f"{V1}/webhooks", json=body)
    assert made.status_code == 201
    path = f"{V1}/webhooks/{made.json()['id']}"
    project.registry.create_model("m", actor="t")
    project.registry.create_version("m", source="s3://b/m", actor="t")
    (delivery,) = client.get(f"{path}/deliveries").json()["items"]
    assert (delivery["state"], delivery["event"]) == ("waiting", "model_version.created")
    assert delivery["payload"]["data"]["name"] == "m"
    client.patch(path, json={"status": "DISABLED"})
    shown = [client.get(path).text, client.get(f"{V1}/webhooks").text, made.text]
    shown += [client.get(f"{V1}/events?after=0").text, client.get(f"{path}/deliveries").text]
    assert not [text for text in shown if "s3cret" in text]
    assert "tok3n" not in client.get(f"{V1}/events?after=0").text
    assert client.get(path).json()["signed"] is True
    for change in ({"url": "http://example.com"}, {"events": ["odd.created"]}, {"name": " "}):
        assert client.patch(path, json=change).status_code == 422, change
    assert client.delete(path).status_code == 200
    assert client.get(f"{path}/deliveries").status_code == 404
