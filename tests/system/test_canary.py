"""A canary that fails: the guard takes it back, by real requests to a real data plane."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper
from processes import serving
from starlette.testclient import TestClient

from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Package
from everloop.deploy.packaging import store_package, write_package
from everloop.deploy.rollout import Deployed, plan_arms
from everloop.deploy.state import read_state, state_path
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import from_dict
from everloop.loop.engine import Engine
from everloop.loop.loop import Loop, declare
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion
from everloop.server.app import create_app
from waiting import wait_for

NARROW = Schema(features=(Feature("a", "number"),), target="y", task="regression")
WIDE = Schema(
    features=(Feature("a", "number"), Feature("b", "number")), target="y", task="regression"
)
ROLLOUT = {"kind": "canary", "steps": [0.3, 1.0], "hold": "30s", "min_requests": 1_000_000}
GOOD, INFINITE, BEYOND = "Identity", "Reciprocal", "Gather"


def model(operator: str, width: int) -> bytes:
    """``y = a``; or ``1 / a``, infinite at 0; or one that fails on the values of a warm-up."""
    nodes = [helper.make_node("Gather", ["X", "first"], ["a"], axis=1)]
    ints = {"first": [0], "table": [1]}
    if operator == BEYOND:
        nodes.append(helper.make_node("Cast", ["a"], ["index"], to=TensorProto.INT64))
        nodes.append(helper.make_node("Gather", ["table", "index"], ["whole"]))
        nodes.append(helper.make_node("Cast", ["whole"], ["y"], to=TensorProto.DOUBLE))
    else:
        nodes.append(helper.make_node(operator, ["a"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, width])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor(n, TensorProto.INT64, [len(v)], v) for n, v in ints.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def registered(project: Project, operator: str, schema: Schema) -> ModelVersion:
    package = Package(model="m", task=schema.task, algorithm=operator, created=1, schema=schema)
    folder = project.state / f"{operator}{schema.width}"
    files = {"model.onnx": model(operator, len(schema.features))}
    digest = write_package(folder, package, files, project.keys)
    return project.registry.register(
        "m",
        key=folder.name,
        digest=digest,
        algorithm=operator,
        files=store_package(folder, project.blobs),
        run=None,
        dataset=None,
        cycle=None,
        metrics={},
        actor="t",
    )


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    """Version 1, by hand, is the champion."""
    sections = {
        "loop": {"name": "m"},
        "data": {"source": "none.csv", "target": "y"},
        "deploy": {"rollout": ROLLOUT},
    }
    made = declare(tmp_path, from_dict(sections).declaration)
    with made.project as project:
        first = registered(project, GOOD, NARROW)
        project.registry.set_alias("m", "champion", 1, actor="t", by_rollout=True)
        arms = plan_arms(Deployed(1, first.digest), None, 0.0)
        project.endpoints.set_rollout("m", "m", arms, actor="t")
        project.publish()
        yield made


def deployed(loop: Loop, version: int, client: httpx.Client) -> tuple[Cycle, list[int]]:
    """The cycle of a rollout under load, and the status of every answer."""
    engine = Engine(loop.project, "inline")
    engine.launch()
    seen: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.append(client.post("/predict", json=[{"a": 0.0}]).status_code)

    caller = threading.Thread(target=ask)
    caller.start()
    try:
        return engine.wait(loop.deploy(version, wait=False).id), seen
    finally:
        done.set()
        caller.join()
        engine.close()


@pytest.mark.parametrize(
    ("operator", "schema", "said", "felt"),
    [
        (INFINITE, NARROW, "the canary failed on", True),
        (GOOD, WIDE, "the canary failed on", False),  # asks for a column that nobody sends
        (BEYOND, NARROW, "the data plane cannot load the canary", False),
    ],
)
def test_a_canary_that_fails_is_rolled_back(
    loop: Loop, operator: str, schema: Schema, said: str, felt: bool
) -> None:
    project = loop.project
    registered(project, operator, schema)
    with serving(project.dir) as client:
        cycle, statuses = deployed(loop, 2, client)
        assert cycle.verdict == "rolled_back", cycle.reason
        assert said in (cycle.reason or "")
        assert any(status >= 500 for status in statuses) is felt
        assert project.registry.aliases("m") == {"champion": 1}
        assert [(a.version, a.weight) for a in project.endpoints.get("m").arms] == [(1, 1.0)]
        steps = cycle.evidence["rollout"] if cycle.evidence else []
        assert [step["verdict"] for step in steps] == ["fail"]
        # The champion answers everything again, as soon as the data plane knows.
        state = read_state(state_path(project.state))
        wait_for(lambda: client.get("/endpoints").json()["revision"] >= state.revision)
        if felt:
            try_it(project, str(client.base_url))


def try_it(project: Project, serve_url: str) -> None:
    """The form of the endpoint's page asks the data plane; the trial's evidence is drawn."""
    pages = TestClient(
        create_app(project, serve_url=serve_url),
        base_url="http://127.0.0.1:5050",
        headers={"authorization": "Bearer none"},  # a program's form needs no page
    )
    tried = pages.post("/endpoints/m/try", data={"x.a": "2.5"}).text
    assert "It answered" in tried and 'by <a href="/models/m/versions/1">' in tried
    assert re.search(r'class="figure"><bdi>2.5', tried), tried
    rollout = pages.get("/endpoints/m.json").json()["rollouts"][0]
    assert rollout["trails"][0]["name"] == "error_rate" and rollout["trails"][0]["spots"]
