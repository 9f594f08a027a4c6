"""Requests that one turn of the event loop reads go into a quick model together.

A small model takes nearly the same time for one row as for twenty, and each call of it, like each
write to the log, lets go of the interpreter and has to win it back from the threads that receive
requests. So what a turn has read is asked at the turn's end in one call, and is logged in one
write. Nothing waits for company: where one request came, it goes alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

import numpy as np

from everloop.deploy.predictor import Output
from everloop.deploy.serving.batching import Matrix, divided

T = TypeVar("T")


class Asked(NamedTuple):
    """One request of a turn, and what makes its answer of the model's."""

    X: Matrix
    then: Callable[[Output], Any]
    answer: asyncio.Future[Any]


class Gatherer:
    """What one model is asked in a turn of the event loop.

    It knows the model only while something is asked of it, since a model has its gatherer: what
    held each other would stay in memory when nobody else wants the model any more.

    Parameters
    ----------
    predict : asks the model; called in the event loop's thread.
    most_rows : of one call of the model, asked before each. A request with more rows goes alone.
    together : is around the answers of one call, each made by its request's ``then``.
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

    def ask(self, model: object, X: Matrix, then: Callable[[Output], T]) -> asyncio.Future[T]:
        """What ``then`` makes of the model's output for rows; it raises what either raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._go, model)
        self._asked.append(Asked(X, then, answer))
        return answer

    def _go(self, model: object) -> None:
        batch = self._next(self._most_rows(model))
        if self._asked:
            asyncio.get_running_loop().call_soon(self._go, model)
        said: list[Any] = []
        with self._together():
            for one, found in zip(batch, self._found(model, batch), strict=True):
                said.append(found if isinstance(found, Exception) else _made(one, found))
        for one, answer in zip(batch, said, strict=True):
            if one.answer.done():
                continue  # the caller has gone
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    def _next(self, most: int) -> list[Asked]:
        """The first of those that still wait, as many as one call may have."""
        asked = [one for one in self._asked if not one.answer.done()]
        rows, end = 0, 0
        for one in asked:
            rows += len(one.X)
            if end and rows > most:
                break
            end += 1
        self._asked = asked[end:]
        return asked[:end]

    def _found(self, model: object, batch: list[Asked]) -> list[Output | Exception]:
        """The model's output for each, or what it raised at that one."""
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
