"""Answers one at a time: the steps of a model that streams, or of any other one answer a row.

A step is asked for only when the one before has been taken, so a caller who reads slowly slows
the model down, and one who leaves stops it within a step. Models' steps wait for each other on
the event loop, not in threads that others need. A stream holds its turn at the endpoint, and its
deadline, from the first step to the last.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, NamedTuple

from everloop.deploy.predictor import ModelFailure, Output
from everloop.deploy.runtimes.python import PythonModel, Steps
from everloop.deploy.serving.core import Call, Core, Read, record_of, row_ids, with_deadline
from everloop.deploy.serving.endpoint import LiveArm, LiveEndpoint
from everloop.deploy.serving.inputs import Rows
from everloop.deploy.serving.limits import check_deadline
from everloop.errors import EverloopError, InvalidInput, TooLarge

MOST_STEPS = 100_000  # of a row
THREADS = 4


class Step(NamedTuple):
    """One answer. ``p`` : probabilities by class, or None; ``step`` counts from 0 in the row."""

    row: int
    step: int
    y: Any
    p: Any
    id: str
    version: int


Answers = AsyncGenerator[Step, None]


class Streams:
    """Streams of the endpoints of a process, with the record of each row in the log."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pool = ThreadPoolExecutor(THREADS, "everloop-stream")
        self._turns: weakref.WeakKeyDictionary[PythonModel, asyncio.Lock] = (
            weakref.WeakKeyDictionary()
        )

    async def answers(
        self, endpoint: LiveEndpoint, read: Read, call: Call, named: LiveArm | None = None
    ) -> Answers:
        """Every step of every row; close it to stop. Raises what :meth:`Core.answer` does."""
        arm = endpoint.pick(call.key) if named is None else named
        if not _streams(arm):
            async for step in self._whole(endpoint, read, call, named):
                yield step
            return
        if endpoint.serving.deadline_ms:
            call = with_deadline(call, endpoint.serving.deadline_ms)
        await endpoint.turns.take(call.deadline)
        try:
            arm, rows = await self._core.rows(endpoint, read, call, named)
            ids = row_ids(rows.ids, call.request, len(rows.X))
            for row, id in enumerate(ids):
                async with aclosing(self._row(endpoint, arm, rows.part([row]), call, id)) as steps:
                    async for step in steps:
                        yield step._replace(row=row)
        finally:
            endpoint.turns.give()

    def close(self) -> None:
        """Wait for the steps under way."""
        self._pool.shutdown(wait=True)

    async def _whole(
        self, endpoint: LiveEndpoint, read: Read, call: Call, named: LiveArm | None
    ) -> Answers:
        found = await self._core.answer(endpoint, read, call, named)
        shares = found.shares or [None] * len(found.y)
        for row, (y, p, id) in enumerate(zip(found.y, shares, found.ids, strict=True)):
            yield Step(row, 0, y, p, id, found.version)

    async def _row(
        self, endpoint: LiveEndpoint, arm: LiveArm, rows: Rows, call: Call, id: str
    ) -> Answers:
        """The steps of one row; its record is its last answer and how many there were."""
        model = arm.model.predictor
        assert isinstance(model, PythonModel)
        steps, count, last = model.stream(rows.X), 0, None
        began = time.perf_counter()
        error: EverloopError | None = None
        refused = False
        try:
            while (found := await self._step(model, steps, call)) is not None:
                if count == MOST_STEPS:
                    raise TooLarge(f"The stream of a row has more than {MOST_STEPS:,} answers.")
                last = found
                p = None if found.probabilities is None else found.probabilities[0].tolist()
                yield Step(0, count, found.y[0], p, id, arm.version)
                count += 1
            if last is None:
                raise ModelFailure("the model's stream gave no answer")
        except ModelFailure as failure:
            error = failure
            raise self._core.told(failure, endpoint.name, arm, call) from None
        except InvalidInput:
            refused = True
            raise
        finally:
            await self._beside(model, steps.close)
            call = call._replace(started=began)
            if not refused:
                self._record(endpoint, arm, rows, call, id, count, last, error)

    def _record(
        self, endpoint: LiveEndpoint, arm: LiveArm, rows: Rows, call: Call, id: str, count: int,
        last: Output | None, error: EverloopError | None,
    ) -> None:  # fmt: skip
        """One row, also of a stream that was cut off: what was said until then."""
        ms = (time.perf_counter() - call.started) * 1000
        arm.counts.add(1, ms, failed=error is not None)
        answered = last is not None and error is None
        y = last.y if last is not None and answered else []
        p = last.probabilities if last is not None and answered else None
        said = record_of(
            endpoint.name, arm, rows, [id], call, ms, y, p, error, count,
        )  # fmt: skip
        self._core.journal.prediction(said)

    async def _step(self, model: PythonModel, steps: Steps, call: Call) -> Output | None:
        check_deadline(call.deadline)
        found: Output | None = await self._beside(model, steps.step)
        check_deadline(call.deadline)
        return found

    async def _beside(self, model: PythonModel, function: Any) -> Any:
        """In a thread, when it is this stream's turn with the model's one process."""
        turn = self._turns.setdefault(model, asyncio.Lock())
        async with turn:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)


def _streams(arm: LiveArm) -> bool:
    model = arm.model.predictor
    return isinstance(model, PythonModel) and model.streams
