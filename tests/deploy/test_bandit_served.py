"""A bandit over HTTP: actions are drawn by the row's id, logged with their propensity, rewarded."""

from __future__ import annotations

import numpy as np
import pytest
from serving_harness import Serving

from bandit_stream import ACTIONS
from everloop.data.schema import Feature, Schema
from everloop.deploy.serving.drawing import drawn
from everloop.deploy.state import Arm
from everloop.extensions import candidates
from everloop.train.fitting import Fitting
from everloop.train.onnx import to_onnx

SCHEMA = Schema(
    (Feature("x", "number"),), "clicked", "bandit", ACTIONS, id="id", action="offer", propensity="p"
)


@pytest.fixture(scope="module")
def serving(shared_project):
    """``a`` is best where x is positive, else ``c``."""
    rng = np.random.default_rng(0)
    X, done = rng.normal(size=(600, 1)), rng.integers(0, 3, 600)
    reward = np.choose(done, [X[:, 0] > 0, np.zeros(600), X[:, 0] < 0])
    y = np.column_stack([done, reward, np.full(600, 1 / 3)])
    ridge = candidates.get("ridge")()
    made = ridge.build(SCHEMA, "bandit", 0, {"alpha": 1.0})
    ridge.fit(made, X, y, Fitting(explore=0.3))
    shared_project.want(offers=[Arm(1, shared_project.package(to_onnx(made, SCHEMA, X), SCHEMA))])
    running = Serving(shared_project.folder)
    yield running
    assert running.stop() == 0


def test_actions_are_drawn_logged_and_rewarded(serving):
    rows = [{"id": f"v{i}", "x": 1.0} for i in range(400)]
    answer = serving.predict(rows, "offers", params={"include": "probabilities,id"}).json()
    assert answer["probabilities"][0] == pytest.approx([0.8, 0.1, 0.1])
    shares = [answer["y_pred"].count(action) / 400 for action in ACTIONS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.05)
    assert serving.predict(rows, "offers").json()["y_pred"] == answer["y_pred"]  # the same ids
    logged = serving.records()[-1]
    assert logged["y"] == answer["y_pred"]
    own = [p[ACTIONS.index(y)] for p, y in zip(answer["probabilities"], logged["y"], strict=True)]
    assert [p for (p,) in logged["p"]] == pytest.approx(own)

    feedback = "/endpoints/offers/feedback"
    told = serving.http.post(feedback, json=[{"id": "v0", "label": 0.5}, {"id": "v1", "label": 0}])
    assert told.json() == {"accepted": 2}
    refused = serving.http.post(feedback, json=[{"id": "v0", "label": "a"}])
    assert refused.status_code == 422 and "a number" in refused.text
    document = serving.http.get("/openapi.json").json()["paths"]
    asked = document[feedback]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert asked["items"]["properties"]["label"] == {"type": "number"}


def test_a_draw_follows_the_probabilities_and_not_the_arm():
    p = np.tile([0.0, 0.25, 0.75], (4_000, 1))
    actions, propensity = drawn("e", [str(i) for i in range(4_000)], p, ACTIONS)
    assert "a" not in actions and abs(actions.count("b") / 4_000 - 0.25) < 0.03
    assert {(y, float(q)) for y, (q,) in zip(actions, propensity, strict=True)} == {
        ("b", 0.25),
        ("c", 0.75),
    }
    assert drawn("f", ["1"] * 3, p[:3], ACTIONS)[0] == [drawn("f", ["1"], p[:1], ACTIONS)[0][0]] * 3
