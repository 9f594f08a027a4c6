"""The Python client against a real data plane, and against a server that fails in each way."""

from __future__ import annotations

import asyncio
import json

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from serving_harness import ROW, TRIP, Serving, free_port

import everloop as el
from everloop.deploy.attribution import background_rows
from everloop.deploy.client.retrying import Retries
from everloop.deploy.state import Arm
from everloop.errors import InvalidInput, NotFound, Unavailable

ROWS = np.random.default_rng(5).normal(size=(25, 4))
FRAME = pl.DataFrame(ROWS, schema=list(ROW))
QUICK = Retries(attempts=3, first_pause=0.001)


@pytest.fixture(scope="module")
def shared(shared_project, models):
    linear = shared_project.package(
        models.onnx(models.linear(), 4), models.NUMBERS, background_npy=background_rows(ROWS)
    )
    shared_project.want(flights=[Arm(1, linear)], trips=[Arm(4, shared_project.mixed())])
    serving = Serving(shared_project.folder)
    yield serving
    assert serving.stop() == 0


@pytest.mark.parametrize(
    "rows",
    [
        FRAME,
        FRAME.to_dicts(),
        FRAME.to_dict(as_series=False),
        pd.DataFrame(ROWS, columns=list(ROW)),
    ],
    ids=["polars", "records", "columns", "pandas"],
)
def test_rows_of_each_form_are_answered_in_order(shared, models, rows):
    with el.Endpoint(shared.url, "flights") as flights:
        found = flights.predict(rows, batch_rows=4)
    np.testing.assert_allclose(found.y, models.linear().predict(ROWS), atol=1e-6)
    assert found.versions == [1] * 25
    assert len(set(found.ids)) == len(found) == 25
    assert found.probabilities is None


def test_one_record_explanations_and_feedback(shared):
    with el.Endpoint(shared.url, "trips") as trips:
        found = trips.predict({**TRIP, "member": np.bool_(True)})
        assert found.y[0] in ("no", "yes")
        assert sum(found.probabilities[0]) == pytest.approx(1)
        assert trips.feedback({found.ids[0]: "yes"}) == 1
    assert shared.records("feedback")[-1]["ids"] == found.ids
    with el.Endpoint(shared.url, "flights") as flights:
        (why,) = flights.explain([ROW])
    assert why.base + sum(why.contributions.values()) == pytest.approx(why.answer, abs=1e-6)


def test_the_same_to_be_awaited(shared, models):
    async def ask():
        async with el.AsyncEndpoint(shared.url, "flights") as flights:
            found = await flights.predict(FRAME, batch_rows=4, concurrency=3)
            with pytest.raises(InvalidInput):
                await flights.predict([{}])
            return found, await flights.feedback([{"id": "a", "label": 1.0}])

    found, accepted = asyncio.run(ask())
    np.testing.assert_allclose(found.y, models.linear().predict(ROWS), atol=1e-6)
    assert accepted == 1


def test_what_the_server_says_is_raised(shared):
    with el.Endpoint(shared.url, "flights") as flights:
        with pytest.raises(InvalidInput) as refusal:
            flights.predict([{**ROW, "x2": "old"}])
        assert refusal.value.path == "$[0].x2"
    with el.Endpoint(shared.url, "flihgts") as unknown, pytest.raises(NotFound) as missing:
        unknown.predict([ROW])
    assert missing.value.fix == 'Did you mean "flights"?'


def test_rows_without_names_go_in_the_order_of_the_schema(shared):
    with el.Endpoint(shared.url, "flights") as flights:
        for rows in ([[1, 1, 1, 1], (2, 2, 2, 2)], np.array([[1.0] * 4, [2.0] * 4])):
            found = flights.predict(rows, batch_rows=1)
            np.testing.assert_allclose(found.y, [10, 20])
        with pytest.raises(InvalidInput) as refusal:
            flights.predict([[1, 1, 1]])
        assert refusal.value.path == "$[0]"


@pytest.mark.parametrize("rows", [[], {}, 5, "rows", {"x0": [1], "x1": [1, 2]}, [{"x0": object()}]])
def test_rows_that_cannot_be_sent_are_refused_here(rows):
    with el.Endpoint("http://127.0.0.1:1") as endpoint, pytest.raises(InvalidInput):
        endpoint.predict(rows)


class Failing:
    """Answers with each of these in turn, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.ids = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.ids.append(request.headers["x-request-id"])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer[0], headers=answer[1], json=answer[2])


GOOD = (200, {}, {"y_pred": [1.0], "id": ["a"], "version": 1})
BUSY = (503, {"retry-after": "0"}, {"error": {"code": "busy", "message": "Later."}})


def endpoint(server):
    return el.Endpoint("http://there", transport=httpx.MockTransport(server), retries=QUICK)


def test_what_may_pass_is_tried_again_under_the_same_id():
    server = Failing(httpx.ConnectError("no"), BUSY, GOOD)
    assert endpoint(server).predict([ROW]).y == [1.0]
    assert len(set(server.ids)) == 1
    assert len(server.ids) == 3


def test_what_stays_is_raised():
    for last, kind in ((BUSY, Unavailable), (httpx.ReadTimeout("late"), Unavailable)):
        with pytest.raises(kind):
            endpoint(Failing(*[last] * 3)).predict([ROW])
    refused = (422, {}, {"error": {"code": "empty", "message": "No."}})
    server = Failing(refused)
    with pytest.raises(InvalidInput):
        endpoint(server).predict([ROW])
    assert len(server.ids) == 1


def test_an_answer_of_something_else_is_said_to_be_one():
    with pytest.raises(el.EverloopError, match="not an endpoint's"):
        endpoint(Failing((200, {}, {"hello": 1}))).predict([ROW])


def test_a_server_that_is_not_there_is_said_to_be_so():
    url = f"http://127.0.0.1:{free_port()}"
    with el.Endpoint(url, retries=QUICK) as nobody, pytest.raises(Unavailable) as error:
        nobody.predict([ROW])
    assert url in error.value.message
    assert "3 attempts" in error.value.message
    assert json.dumps(error.value.to_dict())
