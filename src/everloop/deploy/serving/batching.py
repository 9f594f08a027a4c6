"""Rows of requests that come while a model is busy go into it together.

An idle model answers at once: nothing ever waits for company. What comes meanwhile gathers, and
goes as one batch when the model is free again, as many rows as it answers within a budget of time.
So a model is asked seldom when it is slow and callers are many, and alone when they are few.
(D. Crankshaw et al., "Clipper: A Low-Latency Online Prediction Serving System", NSDI 2017.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from everloop.deploy.predictor import Output

Matrix = npt.NDArray[np.float64]


class Waiting(NamedTuple):
    """A request that found the model busy."""

    X: Matrix
    answer: asyncio.Future[Output]


class Batcher:
    """One model's queue.

    Parameters
    ----------
    predict : the model; called in ``pool``.
    parallel : batches that may be under way at once.
    most_rows : of one batch; asked before each, so that it may follow the model's speed. A request
        with more rows goes alone.
    """

    def __init__(
        self,
        predict: Callable[[Matrix], Output],
        pool: Executor,
        most_rows: Callable[[], int],
        parallel: int = 1,
    ) -> None:
        self._predict = predict
        self._pool = pool
        self._most_rows = most_rows
        self._free = parallel
        self._waiting: deque[Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def predict(self, X: Matrix) -> Output:
        """Answer for rows. Raises :class:`~everloop.deploy.predictor.ModelFailure`."""
        if self._free == 0:
            answer: asyncio.Future[Output] = asyncio.get_running_loop().create_future()
            self._waiting.append(Waiting(X, answer))
            return await answer
        self._free -= 1
        try:
            return await self._run(X)
        finally:
            self._release()

    def _release(self) -> None:
        """The model is free: what has gathered goes next."""
        batch = self._gathered()
        if not batch:
            self._free += 1
            return
        task = asyncio.create_task(self._together(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _gathered(self) -> list[Waiting]:
        most, rows = self._most_rows(), 0
        batch: list[Waiting] = []
        while self._waiting:
            one = self._waiting[0]
            if batch and rows + len(one.X) > most:
                break
            self._waiting.popleft()
            if not one.answer.cancelled():  # the caller has gone
                batch.append(one)
                rows += len(one.X)
        return batch

    async def _together(self, batch: list[Waiting]) -> None:
        try:
            if len(batch) == 1:
                await self._alone(batch[0])
                return
            try:
                parts = [one.X for one in batch]
                found = await self._run(np.concatenate(parts))
            except Exception:
                for one in batch:  # only whoever asked for it shall see the failure
                    await self._alone(one)
                return
            for one, part in zip(batch, divided(found, parts), strict=True):
                if not one.answer.done():
                    one.answer.set_result(part)
        finally:
            self._release()

    async def _alone(self, one: Waiting) -> None:
        try:
            found = await self._run(one.X)
        except Exception as error:
            if not one.answer.done():
                one.answer.set_exception(error)
            return
        if not one.answer.done():
            one.answer.set_result(found)

    async def _run(self, X: Matrix) -> Output:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._predict, X)


def divided(found: Output, parts: Sequence[Matrix], first: int = 0) -> Iterator[Output]:
    """Each request's own rows of a batch's answer, in which theirs begin at row ``first``."""
    for part in parts:
        rows = slice(first, first + len(part))
        first = rows.stop
        p = None if found.probabilities is None else found.probabilities[rows]
        yield Output(found.y[rows], p)
