"""Batches gather while a model is busy; turns and deadlines bound what waits."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from everloop.deploy.predictor import ModelFailure, Output
from everloop.deploy.serving.batching import Batcher
from everloop.deploy.serving.cache import AnswerCache
from everloop.deploy.serving.limits import Turns
from everloop.errors import EverloopError


class Model:
    """Doubles its rows; stands still until it is let go; fails on negative numbers."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go = threading.Event()
        self.begun = threading.Event()

    def __call__(self, X):
        self.batches.append(len(X))
        self.begun.set()
        assert self.go.wait(20)
        if (X < 0).any():
            raise ModelFailure("negative")
        return Output((2 * X[:, 0]).tolist(), X / 2)


def row(value, rows=1):
    return np.full((rows, 1), float(value))


def run(scenario):
    with ThreadPoolExecutor(2) as pool:
        return asyncio.run(asyncio.wait_for(scenario(pool), 30))


async def started(model):
    while not model.begun.is_set():
        await asyncio.sleep(0.001)


def test_what_comes_while_the_model_is_busy_goes_together():
    async def scenario(pool):
        model = Model()
        batcher = Batcher(model, pool, lambda: 5)
        first = asyncio.create_task(batcher.predict(row(0)))
        await started(model)
        others = [asyncio.create_task(batcher.predict(row(n))) for n in range(1, 9)]
        await asyncio.sleep(0.01)
        model.go.set()
        return model.batches, [await task for task in (first, *others)]

    batches, answers = run(scenario)
    assert batches == [1, 5, 3]
    assert [answer.y for answer in answers] == [[2.0 * n] for n in range(9)]
    assert [answer.probabilities.tolist() for answer in answers] == [[[n / 2]] for n in range(9)]


def test_an_idle_model_is_asked_at_once_and_alone():
    async def scenario(pool):
        model = Model()
        model.go.set()
        batcher = Batcher(model, pool, lambda: 100)
        for n in range(3):
            await batcher.predict(row(n, 2))
        return model.batches

    assert run(scenario) == [2, 2, 2]


def test_a_failure_is_told_to_the_one_who_asked_for_it():
    async def scenario(pool):
        model = Model()
        batcher = Batcher(model, pool, lambda: 100)
        first = asyncio.create_task(batcher.predict(row(0)))
        await started(model)
        tasks = [asyncio.create_task(batcher.predict(row(n))) for n in (1, -1, 2)]
        await asyncio.sleep(0.01)
        model.go.set()
        await first
        found = await asyncio.gather(*tasks, return_exceptions=True)
        again = await batcher.predict(row(5))
        return found, again

    (one, bad, two), again = run(scenario)
    assert (one.y, two.y, again.y) == ([2.0], [4.0], [10.0])
    assert isinstance(bad, ModelFailure)


def test_a_caller_who_has_gone_costs_nothing():
    async def scenario(pool):
        model = Model()
        batcher = Batcher(model, pool, lambda: 100)
        first = asyncio.create_task(batcher.predict(row(0)))
        await started(model)
        gone = asyncio.create_task(batcher.predict(row(1)))
        stays = asyncio.create_task(batcher.predict(row(2)))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        model.go.set()
        await first
        return (await stays).y, model.batches

    assert run(scenario) == ([4.0], [1, 1])


def test_turns_are_bounded_and_come_in_order():
    async def scenario(_):
        turns = Turns(concurrency=2, queue=2)
        order = []

        async def one(n, deadline=None):
            await turns.take(deadline)
            order.append(n)

        await one(0)
        await one(1)
        waiting = [asyncio.create_task(one(n)) for n in (2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(EverloopError) as refusal:
            await one(4)
        assert refusal.value.code == "overloaded"
        turns.give()
        turns.give()
        await asyncio.gather(*waiting)
        for _ in range(2):
            turns.give()
        return order, turns.active, turns.waiting

    assert run(scenario) == ([0, 1, 2, 3], 0, 0)


def test_a_deadline_ends_the_wait_and_leaves_no_trace():
    async def scenario(_):
        turns = Turns(concurrency=1, queue=9)
        await turns.take(None)
        with pytest.raises(EverloopError) as refusal:
            await turns.take(time.perf_counter() + 0.01)
        gone = asyncio.create_task(turns.take(None))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert turns.waiting == 0
        turns.give()
        await turns.take(None)
        return refusal.value.code, turns.active

    assert run(scenario) == ("deadline_exceeded", 1)


def test_a_turn_that_was_given_to_a_caller_who_left_goes_on():
    async def scenario(_):
        turns = Turns(concurrency=1, queue=9)
        await turns.take(None)
        gone = asyncio.create_task(turns.take(None))
        after = asyncio.create_task(turns.take(None))
        await asyncio.sleep(0)
        turns.give()  # gone's turn, at the moment at which it leaves
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await after
        return turns.active

    assert run(scenario) == 1


def test_the_cache_keeps_what_was_asked_last():
    cache = AnswerCache(2)
    keys = [cache.key("d", row(n)) for n in range(3)]
    for n, key in enumerate(keys):
        cache.put(key, Output([n], None))
    assert cache.get(keys[0]) is None
    assert cache.get(keys[2]).y == [2]
    assert (cache.hits, cache.misses) == (1, 1)
    assert cache.key("other", row(0)) != keys[0]
    assert cache.key("d", row(0, 10_000)) is None
