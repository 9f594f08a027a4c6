"""Questions about a version over HTTP, each answered by a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from server_helpers import BASE, DEAD, Client

import everloop as el
from everloop.cli._api import Within
from everloop.errors import InvalidInput, NotFound, Unavailable
from everloop.loop.engine import Engine
from everloop.loop.loop import loop_of
from everloop.loop.project import Project
from everloop.loop.questions import Question, ask
from everloop.loop.remote import Server
from everloop.server.app import create_app

V1 = "/api/v1/models/lend/versions/1"
ROW = {"income": 1.5, "sex": "f"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop with a champion."""
    folder = tmp_path_factory.mktemp("lend")
    rng = np.random.default_rng(0)
    n = 600
    income, sex = rng.normal(size=n), rng.choice(["f", "m"], n)
    paid = income + 0.7 * (sex == "m") + rng.normal(0, 0.7, n) > 0.3
    pl.DataFrame({"income": income, "sex": sex, "paid": paid}).write_csv(folder / "rows.csv")
    (folder / "everloop.toml").write_text(
        '[loop]\nname = "lend"\n[data]\nsource = "rows.csv"\ntarget = "paid"\n'
        '[train]\ncandidates = ["logistic_regression"]\n[evaluate]\ngates = []\n'
    )
    loop = el.load(folder / "everloop.toml")
    with loop.project as project:
        engine = Engine(project, "inline")
        engine.launch()
        try:
            ended = engine.wait(loop.run(wait=False).id)
        finally:
            engine.close()
    assert ended.verdict == "promoted", ended.reason
    return folder


@pytest.fixture
def project(folder: Path) -> Iterator[Project]:
    with Project.open(folder) as opened:
        yield opened


def test_a_remote_loop_says_what_the_local_one_says(project: Project) -> None:
    server = Server(BASE, transport=Within(create_app(project, serve_url=DEAD)))
    here, there = loop_of(project), server.loop("lend")
    frame = pl.DataFrame([ROW])
    assert there.explain(frame) == here.explain(frame)
    assert there.importance() == here.importance()
    assert there.counterfactual(frame, fixed=["sex"]) == here.counterfactual(ROW, fixed=["sex"])
    found = there.mitigate(["sex"])
    assert found == here.mitigate(["sex"])
    assert [one.name for one in found.candidates][:2] == ["as it is", "threshold optimiser"]
    with pytest.raises(InvalidInput, match=r'Did you mean "income"\?'):
        there.dependence("incom")
    with pytest.raises(NotFound):
        there.explain(frame, 9)
    server.close()


def test_they_are_refused_without_a_token_and_without_what_they_need(project: Project) -> None:
    closed = Client(create_app(project, token="a-long-enough-token-for-a-test", serve_url=DEAD))
    assert closed.post(V1 + "/explain", json={"rows": [ROW]}).status_code == 401
    assert closed.get(V1 + "/fairness?by=sex").status_code == 401
    client = Client(create_app(project, serve_url=DEAD))
    for answer in (
        client.get(V1 + "/dependence"),
        client.get(V1 + "/fairness"),
        client.post(V1 + "/explain", json={"rows": []}),
        client.post(V1 + "/counterfactual", json={"row": ROW, "keep": []}),
    ):
        error = answer.json()["error"]
        assert answer.status_code == 422 and error["path"].startswith(("query.", "$")), error


def test_a_question_that_takes_too_long_is_given_up(folder: Path) -> None:
    with pytest.raises(Unavailable, match="took longer than 0 seconds"):
        ask(folder, Question("importance", "lend", 1), list, seconds=0.01)
    with pytest.raises(Unavailable, match="alert abc took longer than 0 seconds") as raised:
        ask(folder, Question("cause", "lend", alert="abc"), list, seconds=0.01)
    assert "everloop monitor why abc" in str(raised.value.fix)


def test_the_console_shows_a_version_and_asks_it(project: Project) -> None:
    client = Client(create_app(project, serve_url=DEAD))
    page = client.get("/models/lend/versions/1")
    assert page.status_code == 200 and "Permutation importance" in page.text
    assert "How does the answer move with it?" in page.text and "whole report" in page.text
    twin = client.get("/models/lend/versions/1.json").json()
    assert twin["features"] == ["income", "sex"] and twin["shapley"][0]["feature"] == "income"
    asked = client.get("/models/lend/versions/1/ask?feature=income")
    assert asked.status_code == 200 and "The answer by income" in asked.text
    wrong = client.get(
        "/models/lend/versions/1/ask", params={"row": "<b>"}, headers={"accept": "text/html"}
    )
    assert wrong.status_code == 422 and "<b>" not in wrong.text
