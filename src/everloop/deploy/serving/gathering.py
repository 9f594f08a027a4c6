"""Requests that one turn of the event loop reads go into a quick model together.

A small model takes nearly the same time for one row as for twenty, and each call of it, like each
write to the log, lets go of the interpreter and has to win it back from the threads that receive
requests. So what a turn has read is asked at the turn's end in one call, and is logged in one
write. Nothing waits for company: where one request came, it goes alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

import numpy as np

from everloop.deploy.predictor import Output
from everloop.deploy.serving.batching import Matrix, divided
from everloop.deploy.serving.together import Together

T = TypeVar("T")


class Asked(NamedTuple):
    """One request of a turn, and what makes its answer of the model's."""

    model: object
    X: Matrix
    then: Callable[[Output], Any]
    answer: asyncio.Future[Any]
    together: Together | None  # that can ask the model and others in one call


Batch = list[Asked]  # of one model
Found = Sequence[Output | Exception]  # for each request of a batch


class Gatherer:
    """What quick models are asked in a turn of the event loop: one call of each, one write.

    Parameters
    ----------
    predict : asks a model; called in the event loop's thread.
    most_rows : of one call of a model, asked before each. A request with more rows goes alone.
    together : is around the answers of a turn, each made by its request's ``then``.
    """

    def __init__(
        self,
        predict: Callable[[Any, Matrix], Output],
        most_rows: Callable[[Any], int],
        together: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._predict = predict
        self._most_rows = most_rows
        self._together = together
        self._asked: list[Asked] = []

    def ask(
        self,
        model: object,
        X: Matrix,
        then: Callable[[Output], T],
        together: Together | None = None,
    ) -> asyncio.Future[T]:
        """What ``then`` makes of the model's output for rows; it raises what either raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._go)
        self._asked.append(Asked(model, X, then, answer, together))
        return answer

    def _go(self) -> None:
        batches = self._next()
        if self._asked:
            asyncio.get_running_loop().call_soon(self._go)
        said: list[tuple[Asked, Any]] = []
        with self._together():
            for batch, outputs in self._outputs(batches):
                for one, found in zip(batch, outputs, strict=True):
                    made = found if isinstance(found, Exception) else _made(one, found)
                    said.append((one, made))
        for one, answer in said:
            if one.answer.done():
                continue  # the caller has gone
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    def _next(self) -> list[Batch]:
        """Of each model that is asked, the first that still wait: as many as one call may have."""
        asked: dict[int, list[Asked]] = {}
        for one in self._asked:
            if not one.answer.done():
                asked.setdefault(id(one.model), []).append(one)
        batches, left = [], list[Asked]()
        for of_model in asked.values():
            end = _fitting(of_model, self._most_rows(of_model[0].model))
            batches.append(of_model[:end])
            left += of_model[end:]
        self._asked = left
        return batches

    def _outputs(self, batches: list[Batch]) -> Iterator[tuple[Batch, Found]]:
        """What the models answer; those that one call can ask are asked by one."""
        calls: dict[int, list[Batch]] = {}
        for batch in batches:
            calls.setdefault(id(batch[0].together or batch), []).append(batch)
        for several in calls.values():
            yield from zip(several, self._of_call(several), strict=True)

    def _of_call(self, batches: list[Batch]) -> list[Found]:
        together = batches[0][0].together
        if len(batches) > 1 and together is not None:
            asked = [(batch[0].model, [one.X for one in batch]) for batch in batches]
            try:
                return [*together.answers(asked)]
            except Exception:
                pass  # only whoever asked for it shall see the failure
        return [self._found(batch) for batch in batches]

    def _found(self, batch: Batch) -> Found:
        """Their model's output for each, or what it raised at that one."""
        model = batch[0].model
        if len(batch) > 1:
            parts = [one.X for one in batch]
            try:
                return [*divided(self._predict(model, np.concatenate(parts)), parts)]
            except Exception:
                pass  # only whoever asked for it shall see the failure
        return [self._alone(model, one.X) for one in batch]

    def _alone(self, model: object, X: Matrix) -> Output | Exception:
        try:
            return self._predict(model, X)
        except Exception as error:
            return error


def _made(one: Asked, found: Output) -> Any:
    try:
        return one.then(found)
    except Exception as error:
        return error


def _fitting(asked: list[Asked], most: int) -> int:
    """How many of them have ``most`` rows together; one at least."""
    rows = 0
    for number, one in enumerate(asked):
        rows += len(one.X)
        if number and rows > most:
            return number
    return len(asked)
