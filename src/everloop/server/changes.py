"""Server-sent events for pages: one look a second at the database for all that are open."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from everloop.console.pulse import feel, newest
from everloop.errors import EverloopError
from everloop.store.database import Database

EVERY = 1.0  # seconds between two looks
MADE_MS = 1000  # a page may have read what it shows so long before it was made
HEARTBEAT = 15.0
CHANGED = b"event: changed\ndata:\n\n"
Work = Callable[[Callable[[], Any]], Awaitable[Any]]


class Changes:
    """Tells every page that is open that something has changed; a page asks for what it shows.

    It looks while somebody listens. All of it belongs to the event loop's thread; ``work`` runs
    what reads the database in another.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def listen(self, db: Database, since: int | None) -> AsyncGenerator[bytes, None]:
        """``changed`` after each change, until the listener or the server goes.

        It comes at once when something was written after ``since`` (ms), when the page was made.
        """
        told = asyncio.Event()
        self._listeners.add(told)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look(db))
        try:
            yield b"retry: 2000\n\n"
            if since is not None and await self._newest(db) >= since - MADE_MS:
                yield CHANGED
            while not self._closed:
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await told.wait()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                told.clear()
                if not self._closed:
                    yield CHANGED
        finally:
            self._listeners.discard(told)

    def close(self) -> None:
        """End every stream; pages come back to another server."""
        self._closed = True
        self._tell()

    async def _newest(self, db: Database) -> int:
        try:
            found: int = await self._work(functools.partial(newest, db))
        except EverloopError:  # the database is away
            return 0
        return found

    async def _look(self, db: Database) -> None:
        before: tuple[Any, ...] | None = None
        while self._listeners and not self._closed:
            try:
                now: tuple[Any, ...] | None = await self._work(functools.partial(feel, db))
            except EverloopError:  # the database is away: what comes after it is a change
                now = None
            if before is not None and now != before:
                self._tell()
            before = now or ()
            await asyncio.sleep(EVERY)

    def _tell(self) -> None:
        for told in self._listeners:
            told.set()
