"""A limit of time for many short waits at once.

``asyncio.timeout`` makes a timer for each, which costs more than the reading of a small body; all
who wait here have the same limit, so that one timer, for whoever has waited longest, does.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Patience:
    """``with patience:`` in a coroutine raises TimeoutError when its block takes longer than that.

    ``seconds`` : that it may take.

    A task may not enter it twice at a time.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[asyncio.Task[object], float] = {}  # the longest wait first
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # that the timer is of

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "a coroutine runs in a task"
        self._due[task] = loop.time() + self.seconds
        if self._timer is None or self._loop is not loop:
            self._loop, self._timer = loop, loop.call_later(self.seconds, self._look, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        del self._due[task]
        if task in self._late:
            self._late.discard(task)
            if task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the waits that are over, and come again when the next one may be."""
        self._timer = None
        now = loop.time()
        for task, due in self._due.items():
            if due > now:
                self._timer = loop.call_at(due, self._look, loop)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()
