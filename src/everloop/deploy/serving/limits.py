"""How many requests of an endpoint are under way, how many wait, and when one is turned away.

What cannot be answered in time is refused early, while refusing is cheap: a queue that only grows
answers everybody too late.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from everloop.deploy.serving.tally import CELLS, Cells, Others
from everloop.errors import EverloopError, Unavailable

ACTIVE, WAITING = 0, 1  # cells


class Turns:
    """At most ``concurrency`` requests at once, and ``queue`` that wait, first come first served.

    Of several ``workers`` each has an even part for itself and may use what the ``others`` leave
    of theirs: connections stay with the worker that took them, so one may be full while the others
    idle. While a part that was lent is wanted back there may be more under way than
    ``concurrency``, until as many are answered.

    Used on one event loop only. ``active`` and ``waiting`` may be looked at any time; ``told``
    has both where the others see them.
    """

    def __init__(
        self,
        concurrency: int,
        queue: int,
        workers: int = 1,
        told: Cells | None = None,
        others: Others | None = None,
    ) -> None:
        self.concurrency = concurrency
        self.queue = queue
        self.active = 0
        self._own = max(1, concurrency // workers), queue // workers
        self._told: Any = [0.0] * CELLS if told is None else told
        self._others = others
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take_free(self) -> bool:
        """Take a turn if that needs no waiting; by far most do."""
        if self._waiting or not self._room(ACTIVE, self.active, self.concurrency):
            return False
        self._begin()
        return True

    def _room(self, cell: int, mine: int, all_together: int) -> bool:
        """Whether one more is within this worker's part, or within what is left of all."""
        if mine < self._own[cell]:
            return True
        others = self._others
        return others is not None and mine + others.sum(cell) < all_together

    def _begin(self) -> None:
        self.active += 1
        self._told[ACTIVE] += 1

    async def take(self, deadline: float | None) -> None:
        """Return when it is this request's turn; give the turn back by :meth:`give`.

        ``deadline`` is a time of :func:`time.perf_counter`. Raises an error of code ``overloaded``
        (429) when too many wait already, and of code ``deadline_exceeded`` (504).
        """
        if self.take_free():
            return
        if not self._room(WAITING, len(self._waiting), self.queue):
            raise overloaded(self.active, len(self._waiting))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._told[WAITING] += 1
        try:
            async with asyncio.timeout(None if deadline is None else _left(deadline)):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give()  # it came at the moment at which this request was given up
            elif turn in self._waiting:
                self._waiting.remove(turn)
                self._told[WAITING] -= 1
            if isinstance(error, TimeoutError):
                raise deadline_exceeded() from None
            raise

    def give(self) -> None:
        """The request is answered: the next one's turn."""
        self.active -= 1
        self._told[ACTIVE] -= 1
        while self._waiting and self._room(ACTIVE, self.active, self.concurrency):
            turn = self._waiting.popleft()
            self._told[WAITING] -= 1
            if not turn.done():
                self._begin()
                turn.set_result(None)


def check_deadline(deadline: float | None) -> None:
    """Raise an error of code ``deadline_exceeded`` (504) when it is over."""
    if deadline is not None and time.perf_counter() >= deadline:
        raise deadline_exceeded()


def overloaded(active: int, waiting: int) -> EverloopError:
    """The refusal of a request for which there is no place."""
    return Unavailable(
        f"The endpoint is busy: {active} requests are under way and {waiting} wait.",
        code="overloaded", fix="Try again later, or ask for fewer at once.",
    )  # fmt: skip


def deadline_exceeded() -> EverloopError:
    """The refusal of a request whose caller has stopped waiting."""
    return Unavailable(
        "The deadline passed before the request could be answered.", code="deadline_exceeded"
    )


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.perf_counter())
