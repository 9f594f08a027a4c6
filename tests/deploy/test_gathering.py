"""What one turn of the event loop asks of a quick model goes together, and apart when it fails."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager

import numpy as np
import pytest

from everloop.data.segments import PredictionRecord, list_segments, read_segment
from everloop.deploy.predictor import ModelFailure, Output
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.gathering import Gatherer
from everloop.deploy.serving.journal import Journal


class Doubling:
    """Doubles its rows and notes how many came at once; fails on negative numbers."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, X):
        self.calls.append(len(X))
        if (X < 0).any():
            raise ModelFailure("negative")
        return Output((2 * X[:, 0]).tolist(), X / 2)


def rows(value, count=1):
    return np.full((count, 1), float(value))


def asked(model, wanted, most=100, cancel=()):
    """What each of the rows in ``wanted``, all asked in one turn, is answered."""
    around: list[str] = []

    @contextmanager
    def together():
        around.append("in")
        yield
        around.append("out")

    async def scenario():
        gatherer = Gatherer(lambda model, X: model(X), lambda model: most, together)

        def then(found):
            assert around[-1] == "in"
            return found.y, None if found.probabilities is None else found.probabilities.tolist()

        futures = [gatherer.ask(model, X, then) for X in wanted]
        for number in cancel:
            futures[number].cancel()
        return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 30)

    return asyncio.run(scenario())


def test_one_turn_is_one_call_and_each_gets_its_own_rows():
    model = Doubling()
    answers = asked(model, [rows(1), rows(2, 3), rows(3)])
    assert answers == [
        ([2.0], [[0.5]]),
        ([4.0] * 3, [[1.0]] * 3),
        ([6.0], [[1.5]]),
    ]
    assert model.calls == [5]


def test_a_failure_is_told_only_to_whoever_asked_for_it():
    model = Doubling()
    first, failed, last = asked(model, [rows(1), rows(-1), rows(2)])
    assert (first, last) == (([2.0], [[0.5]]), ([4.0], [[1.0]]))
    assert isinstance(failed, ModelFailure)
    assert model.calls == [3, 1, 1, 1]


def test_a_call_has_no_more_rows_than_the_model_answers_in_time():
    model = Doubling()
    asked(model, [rows(1), rows(2), rows(3), rows(4, 9), rows(5)], most=2)
    assert model.calls == [2, 1, 9, 1]


def test_who_has_gone_is_not_asked_for():
    model = Doubling()
    answers = asked(model, [rows(1), rows(2)], cancel=[0])
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1] == ([4.0], [[1.0]])
    assert model.calls == [1]


def test_two_models_of_one_turn_are_asked_once_each_and_logged_in_one_write():
    champion, canary = Doubling(), Doubling()
    writes: list[int] = []

    @contextmanager
    def together():
        yield
        writes.append(1)

    async def scenario():
        gatherer = Gatherer(lambda model, X: model(X), lambda model: 100, together)
        models = [champion, canary, champion, champion, canary]
        futures = [gatherer.ask(model, rows(n), lambda f: f.y) for n, model in enumerate(models)]
        return await asyncio.wait_for(asyncio.gather(*futures), 30)

    assert asyncio.run(scenario()) == [[0.0], [2.0], [4.0], [6.0], [8.0]]
    assert (champion.calls, canary.calls, writes) == ([3], [2], [1])


def record(id):
    return PredictionRecord(
        at=1, request=id, endpoint="flights", version=1, arm="champion", ids=[id], times=None,
        columns={"x": [1.0]}, y=[1], p=None, ms=1.0,
    )  # fmt: skip


def test_records_of_one_turn_are_one_write_and_are_lost_together(tmp_path, monkeypatch):
    counts, writes, write = Counts(), [], os.write
    journal = Journal(tmp_path, counts)
    journal.prediction(record("first"))
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(len(data)) or write(fd, data))
    with journal.together():
        for id in ("a", "b", "c"):
            journal.prediction(record(id))
        assert not writes
    assert len(writes) == 1
    (segment,) = list_segments(tmp_path / "predictions")
    assert sum(1 for _ in read_segment(segment)) == 4

    def full(fd, data):
        raise OSError("no space left")

    monkeypatch.setattr(os, "write", full)
    with journal.together():
        journal.prediction(record("d"))
        journal.prediction(record("e"))
    monkeypatch.setattr(os, "write", write)
    assert counts.losses_by_endpoint() == {"flights": {"failed": 2}}
    with pytest.raises(ZeroDivisionError), journal.together():
        journal.prediction(record("f"))
        1 / 0  # noqa: B018
    segments = list_segments(tmp_path / "predictions")
    assert sum(1 for path in segments for _ in read_segment(path)) == 5
