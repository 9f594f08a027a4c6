"""Small models of one endpoint answer in a single call, and exactly as each does alone."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import onnx
import pytest
from in_process import Asked, Exchanged, Plane

import everloop.deploy.serving.together as parts
from everloop.deploy.joining import joined
from everloop.deploy.predictor import ModelFailure, Predictor, run_of, session_of
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.models import Models
from everloop.deploy.state import Arm

ROWS = np.random.default_rng(3).normal(size=(7, 4))


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Whether it pays is a matter of the machine."""
    monkeypatch.setattr(parts, "SAVED_S", 60.0)


@pytest.fixture
def two(project):
    """The digests of two versions, and what holds them."""
    digests = [project.linear(), project.linear(100.0)]
    return digests, Models(project.state, 0, Counts())


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_joined_graphs_answer_as_each_does(models, kind):
    first, second = models.linear(), models.linear(7.0)
    names = ["y"]
    if kind == "logistic":
        first, second, names = models.logistic(4), models.logistic(4), ["label", "probabilities"]
        second.coef_ = -second.coef_
    sources = [models.onnx(estimator, 4) for estimator in (first, second)]
    whole = run_of(session_of(joined(sources, "X")))
    found = whole([f"{place}.{name}" for place in (0, 1) for name in names], {"X": ROWS}, None)
    alone = [own for one in sources for own in run_of(session_of(one))(names, {"X": ROWS}, None)]
    for mine, own in zip(found, alone, strict=True):
        assert mine.dtype == own.dtype
        np.testing.assert_array_equal(mine, own)
    assert found[0].tolist() != found[len(names)].tolist()


def test_what_cannot_be_joined(models):
    linear = models.onnx(models.linear(), 4)
    newer, nested, function = (onnx.load_from_string(linear) for _ in range(3))
    newer.opset_import[0].version += 1
    nested.graph.node[0].attribute.append(onnx.helper.make_attribute("body", nested.graph))
    function.functions.add(name="f", domain="own")
    for other in (newer, nested, function):
        assert joined([linear, other.SerializeToString()], "X") is None


def test_each_request_gets_its_rows_of_its_own_model(two):
    digests, held = two
    first, second = map(held.get, digests)
    both = held.together(digests)
    asked = [(second, [ROWS[:1], ROWS[1:4]]), (first, [ROWS[4:]])]
    ((one, few), (last,)) = both.answers(asked)
    assert one == second.predictor.predict(ROWS[:1])
    assert few == second.predictor.predict(ROWS[1:4])
    assert last == first.predictor.predict(ROWS[4:])
    assert held.together(digests) is both


def test_what_has_no_part_in_it(two, project, monkeypatch):
    digests, held = two
    wide = project.mixed()
    assert held.together(digests[:1]) is None
    assert held.together([digests[0], digests[0]]) is None
    assert held.together([digests[0], wide]) is None
    assert Models(project.state, 1 << 30, Counts()).together(digests) is None
    held.together(digests)
    held.keep(digests[:1])
    monkeypatch.setattr(parts, "MOST_BYTES", 10)
    assert held.together(digests) is None  # it was let go with one of the two


def test_a_file_that_was_changed_since_is_not_read(two, project):
    digests, held = two
    held.get(digests[1])
    (path,) = (project.state / "packages").glob(f"{digests[1]}*/model.onnx")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\0")
    assert held.together(digests) is None


def requests(plane: Plane, count: int) -> list[tuple[int, dict]]:
    """What so many requests of one turn are answered."""
    body = json.dumps([dict(zip(("x0", "x1", "x2", "x3"), ROWS[0].tolist(), strict=True))])

    async def all_at_once():
        exchanges = [Exchanged(body.encode()) for _ in range(count)]
        headers = {"host": "127.0.0.1", "content-length": str(len(body))}
        path = "/endpoints/flights/predict"
        asked = [
            Asked(path, {**headers, "x-everloop-key": f"k{number}"}, query_string="include=version")
            for number in range(count)
        ]
        await asyncio.gather(*map(plane.app, asked, exchanges))
        return [exchange.answer for exchange in exchanges]

    answers = plane.loop.run_until_complete(all_at_once())
    return [(status, json.loads(answer)) for status, answer in answers]


@pytest.mark.parametrize("fails", [False, True])
def test_a_turn_with_rows_of_two_versions_is_one_call(project, tmp_path, monkeypatch, fails):
    champion, canary = project.linear(), project.linear(100.0)
    project.want(flights=[Arm(1, champion, 0.5), Arm(2, canary, 0.5, "canary")])
    plane = Plane(project.state, tmp_path / "log")
    alone: list[int] = []
    predict = Predictor.predict
    monkeypatch.setattr(
        Predictor, "predict", lambda self, X: alone.append(len(X)) or predict(self, X)
    )
    if fails:

        def broken(self, X, found):
            raise ModelFailure("no")

        monkeypatch.setattr(Predictor, "answered", broken)
    answers = requests(plane, 40)
    plane.close()
    assert bool(alone) is fails
    shares = {1: 0, 2: 0}
    for status, said in answers:
        assert status == 200
        shares[said["version"]] += 1
        expected = ROWS[0] @ [1, 2, 3, 4] + (100 if said["version"] == 2 else 0)
        np.testing.assert_allclose(said["y_pred"], [expected])
    assert min(shares.values()) > 8
    logged = plane.logged()
    assert {v: sum(r["version"] == v for r in logged) for v in shares} == shares
