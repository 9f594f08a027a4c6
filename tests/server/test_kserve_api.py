"""KServe's payload logger: halves of predictions over HTTP, joined once each in the log."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from server_helpers import Client
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression

import everloop as el
from everloop.cli._api import Within
from everloop.data.schema import Feature, Schema
from everloop.errors import EverloopError
from everloop.loop.kserve import REQUEST, RESPONSE, Event, _Taker
from everloop.loop.loop import loop_of
from everloop.loop.project import Project
from everloop.loop.remote import Server
from everloop.monitor.halves import ALONE_MS
from everloop.monitor.payloads import ID, TIME, answered, asked
from everloop.monitor.spec import LogSpec, MonitorSpec
from everloop.server.app import create_app
from everloop.store.clock import now_ms

AT = "2024-05-01T12:00:00.250123456Z"  # as Go writes it
MS = 1_714_564_800_250
PATH = "/api/v1/endpoints/sums/kserve"
ASKED = b'{"instances": [[1.5, 2.0], [3.0, 4.0]]}'
SAID = b'{"predictions": [3.5, 7.0]}'
V2 = {
    "inputs": [
        {"name": "a", "shape": [2, 1], "datatype": "FP64", "data": [1, 3]},
        {"name": "b", "shape": [2], "datatype": "FP64", "data": [2, 4]},
    ]
}
LOOP = '[loop]\nname = "sums"\n[data]\nsource = "none.csv"\ntarget = "y"\n'
BINARY = Schema(
    features=(Feature("x", "number"), Feature("who.age", "number")),
    target="y", task="binary", classes=("no", "yes"), id="key", time="t",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sums")
    (made / "everloop.toml").write_text(LOOP)
    X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    model = to_onnx(LinearRegression().fit(X, X.sum(axis=1)), X[:1])
    (made / "m.onnx").write_bytes(model.SerializeToString())
    el.register(made / "m.onnx", "sums", dir=made, features=["a", "b"], target="y")
    el.promote("sums/1", dir=made)
    with Project.open(made) as project:
        project.sync_file()
    return made


@pytest.fixture
def kserve(folder: Path) -> Iterator[tuple[Project, Client]]:
    with Project.open(folder) as project:
        yield project, Client(create_app(project, serve_url="http://127.0.0.1:9"))


def headers(id: str, kind: str, **more: str) -> dict[str, str]:
    """What the logger of KServe 0.20 sends in binary mode."""
    own = {
        "ce-id": id, "ce-type": kind, "ce-specversion": "1.0", "ce-time": AT,
        "ce-source": "http://localhost:9081/", "ce-component": "predictor",
        "ce-inferenceservicename": "sums", "ce-namespace": "default", "ce-endpoint": "default",
        "ce-metadata": "{}", "content-type": "application/json",
    }  # fmt: skip
    return own | more


def rows_of(project: Project, id: str) -> list[dict[str, Any]]:
    project.log.ship()
    found = project.log.predictions("sums")
    return found.filter(found["id"].str.starts_with(id)).to_dicts()


def test_halves_are_joined_once_in_any_order(kserve: tuple[Project, Client]) -> None:
    project, client = kserve
    late = headers("r1", RESPONSE) | {"ce-time": AT.replace("00.25", "00.29")}
    sent = client.post(PATH, content=SAID, headers=late)
    assert sent.json().get("new") == 1, sent.text
    assert rows_of(project, "r1") == []  # it waits for its request
    sent = client.post(PATH, content=ASKED, headers=headers("r1", REQUEST))
    assert (sent.status_code, sent.json()["new"]) == (200, 1)
    again = client.post(PATH, content=ASKED, headers=headers("r1", REQUEST)).json()
    assert (again["new"], again["repeated"]) == (0, 1)
    first, second = rows_of(project, "r1")
    assert (first["id"], first["a"], first["b"], first["y"]) == ("r1-0", 1.5, 2.0, 3.5)
    assert (second["y"], second["version"], second["latency"]) == (7.0, 1, 40.0)
    assert int(first["time"].timestamp() * 1000) // 1000 == MS // 1000
    # Both halves once more, when the first pair is in the log already.
    for kind, body in ((REQUEST, ASKED), (RESPONSE, SAID)):
        assert client.post(PATH, content=body, headers=headers("r1", kind)).json()["new"] == 1
    assert project.log.ship() == 2 and len(rows_of(project, "r1")) == 2


def test_other_modes_and_protocols(kserve: tuple[Project, Client]) -> None:
    project, client = kserve
    event = {"id": "s", "type": REQUEST, "specversion": "1.0", "source": "x", "time": AT}
    structured = {"content-type": "application/cloudevents+json; charset=utf-8"}
    for data in ({"data": V2}, {"data": json.dumps(V2)}):  # the second is a repetition
        client.post(PATH, content=json.dumps(event | data), headers=structured)
    outputs = json.dumps({"outputs": [{"name": "predict", "shape": [2], "data": [3, 7]}]})
    encoded = {"data_base64": base64.b64encode(outputs.encode()).decode()}
    batch = [
        event | {"type": RESPONSE} | encoded,
        event | {"id": "t", "component": "transformer", "data": V2},
        event | {"id": "u", "type": "org.example", "data": {}},
    ]
    kind = {"content-type": "application/cloudevents-batch+json"}
    said = client.post(PATH, content=json.dumps(batch), headers=kind).json()
    assert said == {"events": 3, "new": 1, "repeated": 0, "ignored": 2, "refused": 0, "why": ""}
    assert [(row["a"], row["b"], row["y"]) for row in rows_of(project, "s")] == [
        (1.0, 2.0, 3.0),
        (3.0, 4.0, 7.0),
    ]


def test_columns_that_are_no_features_leave_their_name_alone(
    kserve: tuple[Project, Client],
) -> None:
    project, client = kserve
    body = json.dumps({"instances": [{"a": 1, "b": 2, "ssn": "secret"}, {"a": 3, "b": 4}]})
    for kind, content in ((REQUEST, body), (RESPONSE, '{"predictions": [3, 7]}')):
        assert client.post(PATH, content=content, headers=headers("n", kind)).status_code == 200
    assert [row["?ssn"] for row in rows_of(project, "n-")] == [True, None]
    assert project.log.strays("sums", 0, now_ms()) == {"ssn": 1}


def test_tables_are_sent_to_a_server_and_taken_here_alike(
    kserve: tuple[Project, Client], tmp_path: Path
) -> None:
    project, client = kserve
    remote = Server(client.base, transport=Within(client.app)).loop()
    for loop, id in ((loop_of(project), "here"), (remote, "there")):
        frame = pl.DataFrame(
            {"key": [id], "time": ["2024-05-01"], "a": [1.0], "bee": [2.0], "prediction": [3.0]}
        )
        frame.write_csv(tmp_path / f"{id}.csv")
        named = {"id": "key", "features": {"b": "bee"}}
        assert loop.log_predictions(tmp_path / f"{id}.csv", **named).new == 1
        assert loop.log_predictions(frame, **named).repeated == 1
        assert [row["b"] for row in rows_of(project, id)] == [2.0]
        fed = loop.feedback(pl.DataFrame({"id": [id, "nobody"], "label": [3.5, 1.0]}))
        assert (fed.rows, fed.new + fed.repeated, fed.unknown) == (2, 2, 1 if id == "here" else 0)
        with pytest.raises(EverloopError, match=r'got .bea., .* Did you mean "bee"'):
            loop.log_predictions(frame, id="key", features={"b": "bea"})


def test_what_is_wrong_is_told_and_kept_apart(kserve: tuple[Project, Client]) -> None:
    project, client = kserve
    for change, path in (
        ({"ce-id": ""}, "ce-id"),
        ({"ce-time": "yesterday"}, "ce-time"),
        ({"ce-id": "x" * 201}, "id"),
    ):
        refused = client.post(PATH, content=ASKED, headers=headers("w", REQUEST) | change)
        assert (refused.status_code, refused.json()["error"]["path"]) == (422, path)
    for body in (b"", b"no", b"[]", b'{"instances": 1}', b"\xff", b"[" * 100_000):
        refused = client.post(PATH, content=body, headers=headers("w", REQUEST))
        assert refused.json()["error"]["path"] == "data"
    for kind, body in ((REQUEST, ASKED), (RESPONSE, b'{"predictions": [1]}')):
        client.post(PATH, content=body, headers=headers("w", kind))
    assert [row["y"] for row in rows_of(project, "w")] == []  # it failed, and is in the log so
    failed = next(frame for _, frame in project.log.fresh("sums") if "w-0" in frame["id"])
    assert "1 answers to 2 rows" in failed["error"][0]
    client.post(PATH, content=ASKED, headers=headers("alone", REQUEST))
    assert project.log.halves.forget() == 0
    assert project.log.halves.forget(now_ms() + ALONE_MS + 1) == 1


def test_access_is_checked_and_columns_are_hidden(folder: Path) -> None:
    with Project.open(folder) as project:
        app = create_app(project, serve_url="http://127.0.0.1:9", token="secret")
        client = Client(app)
        assert client.post(PATH, content=ASKED, headers=headers("h", REQUEST)).status_code == 401
        # What Go sends for logger.url = "http://kserve:secret@host/…"
        basic = "Basic " + base64.b64encode(b"kserve:secret").decode()
        declared = project.cycles.declaration("sums")
        hiding = MonitorSpec(log=LogSpec(mask=("a",), sample=0.5))
        project.cycles.save_loop(msgspec.structs.replace(declared, monitor=hiding), actor="test")
        many = json.dumps({"instances": [[n, 2.0] for n in range(200)]})
        y = json.dumps({"predictions": [n + 2.0 for n in range(200)]})
        for kind, body in ((REQUEST, many), (RESPONSE, y)):
            sent = client.post(PATH, content=body, headers=headers("h", kind, authorization=basic))
            assert sent.status_code == 200
        rows = rows_of(project, "h-")
        assert 60 < len(rows) < 140 and {row["a"] for row in rows} == {"***"}
        assert all(row["y"] == float(row["id"].removeprefix("h-")) + 2 for row in rows)
        project.cycles.save_loop(declared, actor="test")


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"x": 1, "who": {"age": 5}, "key": 7, "t": "2024-01-01"}]},
        {"inputs": {"x": [1], "who.age": [5], "key": [7], "t": ["2024-01-01"]}},
        {"inputs": [{"x": 1, "who": [{"key": "age", "value": 5}], "key": 7, "t": "2024-01-01"}]},
        {
            "dataframe_split": {
                "columns": ["x", "who.age", "key", "t"],
                "data": [[1, 5, 7, "2024-01-01"]],
            }
        },
    ],
)
def test_requests_of_every_form(body: dict[str, Any]) -> None:
    for form in (body, json.dumps(body), json.dumps(body).encode()):
        found = asked(form, BINARY)
        if "who" in str(body) and "[{'key'" in str(body):
            found = [row | {"who.age": 5} for row in found]
        assert found == [{"x": 1, "who.age": 5, ID: 7, TIME: "2024-01-01"}]


@pytest.mark.parametrize(
    ("body", "y", "p"),
    [
        ({"predictions": ["yes"]}, "yes", None),
        ({"predictions": [0.75]}, "yes", [0.25, 0.75]),
        ({"predictions": [[0.75, 0.25]]}, "no", [0.75, 0.25]),
        ({"predictions": [{"label": "yes", "probability": 0.75}]}, "yes", [0.25, 0.75]),
        ({"predictions": [{"probabilities": {"no": 0.75, "yes": 0.25}}]}, "no", [0.75, 0.25]),
        ({"predictions": {"predictions": [["yes"]]}}, "yes", None),
        ({"predictions": {"y": ["no"], "proba": [[0.75, 0.25]]}}, "no", [0.75, 0.25]),
        (
            {
                "outputs": [
                    {"name": "label", "shape": [1], "datatype": "BYTES", "data": ["no"]},
                    {"name": "out", "shape": [1, 2], "datatype": "FP32", "data": [0.75, 0.25]},
                ]
            },
            "no",
            [0.75, 0.25],
        ),
    ],
)
def test_responses_of_every_form(body: dict[str, Any], y: str, p: list[float] | None) -> None:
    for form in (body, json.dumps(body)):
        assert answered(form, BINARY) == [(y, p)]


def test_of_a_batch_the_sound_events_are_kept(kserve: tuple[Project, Client]) -> None:
    project, client = kserve
    event = {"type": REQUEST, "specversion": "1.0", "source": "x", "time": AT}
    asked = {"instances": [[1.0, 2.0]]}
    batch = [
        event | {"id": "b1", "data": asked},
        event | {"id": "b1", "type": RESPONSE, "data": {"predictions": [3.0]}},
        event | {"id": "b2", "data": asked},
        event | {"id": "b2", "type": RESPONSE, "data": {"error": "it broke"}},
    ]
    kind = {"content-type": "application/cloudevents-batch+json"}
    sent = client.post(PATH, content=json.dumps(batch), headers=kind)
    said = sent.json()
    assert (sent.status_code, said["events"], said["new"], said["refused"]) == (200, 4, 3, 1)
    assert "expected JSON with predictions or outputs" in said["why"]
    assert [row["y"] for row in rows_of(project, "b")] == [3.0]
    refused = client.post(PATH, content=json.dumps(batch[3:]), headers=kind)
    assert (refused.status_code, refused.json()["error"]["path"]) == (422, "data")


def test_scores_that_are_no_probabilities_are_refused(kserve: tuple[Project, Client]) -> None:
    taker = _Taker(kserve[0], "sums")
    taker.schema = BINARY
    sound = taker.half(Event("e", RESPONSE, b'{"predictions": [[0.4, 0.6]]}'))
    assert sound.half == "response"
    with pytest.raises(EverloopError, match="the probability of each of 2 classes, 0 to 1"):
        taker.half(Event("e", RESPONSE, b'{"predictions": [[0.5, 7.0]]}'))
