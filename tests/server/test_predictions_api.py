"""Batches of predictions that are asked for over HTTP, fenced in, and shown with their version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from server_helpers import Client
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression

import everloop as el
from everloop.loop.mover import Mover
from everloop.loop.project import Project

V1 = "/api/v1"
BATCH = {"model": "sums@champion", "source": "rows", "to": "answers", "rows": 100}


@pytest.fixture
def model(project: Project) -> Project:
    X = np.random.default_rng(0).normal(size=(250, 2)).astype(np.float32)
    made = to_onnx(LinearRegression().fit(X, X.sum(axis=1)), X[:1])
    (project.dir / "m.onnx").write_bytes(made.SerializeToString())
    el.register(project.dir / "m.onnx", "sums", dir=project.dir, features=["a", "b"], target="y")
    el.promote("sums/1", dir=project.dir)
    (project.dir / "rows").mkdir()
    pl.DataFrame(X, schema=["a", "b"]).write_csv(project.dir / "rows" / "rows.csv")
    return project


def test_asked_done_and_shown(client: Client, model: Project) -> None:
    asked = client.post(f"{V1}/predictions", json=BATCH)
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    path = f"{V1}/predictions/{asked.json()['id']}"
    page = client.get("/models/sums/versions/1.json").json()
    assert [move["state"] for move in page["asked"]] == ["waiting"]
    assert not Mover(model).do_one()  # another kind's
    assert Mover(model, ["predict"]).do_one()
    done = client.get(path).json()
    assert (done["state"], done["progress"]) == ("done", {"rows": [250, None]}), done
    assert done["report"]["version"] == 1 and done["report"]["pieces"] == 3
    assert pl.read_parquet(model.dir / "answers" / "*.parquet").height == 250
    assert client.get("/models/sums/versions/1.json").json()["batches"][0]["written"] == 250
    shown = client.get("/models/sums/versions/1").text
    assert "Batches it answered" in shown and "250 answers in 3 parts" in shown
    assert [m["id"] for m in client.get(f"{V1}/predictions").json()["items"]] == [done["id"]]
    assert client.post(f"{path}/stop").status_code == 409
    assert client.post(f"{path}/resume").json()["state"] == "waiting"
    assert client.post(f"{path}/stop").json()["state"] == "stopped"
    assert client.get(f"{V1}/imports/{done['id']}").status_code == 404


def test_what_is_wrong_is_refused_or_told(client: Client, model: Project) -> None:
    for wrong, status, said in (
        ({"source": "/etc/passwd"}, 403, "may not be reached over HTTP"),
        ({"source": "rows/../../x.csv"}, 403, "may not be reached"),
        ({"source": "s3://bucket/rows.csv"}, 403, "may not be reached"),
        ({"to": ".everloop/keys"}, 403, "may not be reached"),
        ({"to": "."}, 403, "may not be reached"),
        ({"model": "none"}, 404, "none"),
        ({"rows": 0}, 422, "rows: got 0"),
        ({"errors": "ignore"}, 422, "errors"),
    ):
        answer = client.post(f"{V1}/predictions", json=BATCH | wrong)
        assert answer.status_code == status and said in answer.text, (wrong, answer.text)
    id = client.post(f"{V1}/predictions", json=BATCH | {"source": "none.csv"}).json()["id"]
    assert Mover(model, ["predict"]).do_one()
    failed = client.get(f"{V1}/predictions/{id}").json()
    assert failed["state"] == "failed" and "none.csv" in failed["error"]["message"]
    assert Path(model.dir, "rows").exists()
