"""Server-sent events of runs that are going on: one look at the database for all who listen.

A feed looks at its run twice a second, sooner when this process itself kept something of it, and
hands what is new to every listener. The id of an event says which server's it is, its number and
the time of the newest point before it: a listener that comes back to the same server gets exactly
what it missed, one that comes to another gets the points since then, some of them perhaps again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter

from everloop.errors import EverloopError, Unavailable, invalid
from everloop.server.changes import Changes
from everloop.store.database import Database
from everloop.tracking.live import Look, State, Watcher, read_state

EVERY, SOONEST = 0.5, 0.2  # seconds between two looks of a feed
HEARTBEAT = 10.0
LINGER = 60.0  # seconds that a feed goes on after its last listener, who may come back
ENDED = 10**12 - 1  # the number of a run's last event
KEPT = 1000  # events of a feed for those who come back
BEHIND = 500  # events that a slow listener may be behind before it is let go
T = TypeVar("T")
_ID = re.compile(r"([0-9a-f]{8})-(\d{1,12})-(-?\d{1,19})")


class EventId(msgspec.Struct, frozen=True):
    """``boot`` names the process, ``number`` the event, ``newest`` the time of its points."""

    boot: str
    number: int
    newest: int

    def __str__(self) -> str:
        return f"{self.boot}-{self.number}-{self.newest}"


def parse_id(text: str | None) -> EventId | None:
    """The id that a listener shows; ``0`` asks for everything.

    Raises :class:`~everloop.errors.InvalidInput` for text that no event had.
    """
    if not text:
        return None
    found = _ID.fullmatch("00000000-0-0" if text == "0" else text)
    if found is None or abs(int(found[3])) >= 2**62:
        raise invalid("Last-Event-ID", text, "the id of an event, or 0 for all")
    return EventId(found[1], int(found[2]), int(found[3]))


class Live:
    """The feeds of a server. All but :meth:`notify` belongs to the event loop's thread."""

    def __init__(self) -> None:
        self.boot = uuid.uuid4().hex[:8]
        self.pool = CapacityLimiter(1)
        self.changes = Changes(self.work)
        self._feeds: dict[str, Feed] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the server is about to end."""
        return self._closed

    def notify(self, run: str) -> None:
        """Something of a run was kept; any thread may say so."""
        feed = self._feeds.get(run)
        if feed is not None:
            feed.poke()

    async def listen(self, db: Database, run: str, last: EventId | None) -> AsyncIterator[bytes]:
        """The events of a run, until it ends or the server does.

        Raises :class:`~everloop.errors.NotFound` before the first event.
        """
        await self.work(functools.partial(read_state, db, run))
        return self._events(db, run, last)

    def close(self) -> None:
        """End every stream; listeners may come back to another server."""
        self._closed = True
        self.changes.close()
        for feed in list(self._feeds.values()):
            feed.end()

    async def work(self, function: Callable[[], T]) -> T:
        """Run what reads the database in the one thread that is for that."""
        return await anyio.to_thread.run_sync(function, limiter=self.pool)

    async def _events(self, db: Database, run: str, last: EventId | None) -> AsyncIterator[bytes]:
        feed = self._feed(db, run)
        listener, missed = feed.join(last)
        try:
            yield b"retry: 1000\n\n"
            if missed is None:
                # What came before the feed's first look is told here, what comes after by the feed.
                await feed.begun.wait()
                async for event in self._catch_up(db, run, last):
                    yield event
            for event in missed or ():
                yield event
            while (coming := await _next(listener)) is not None:
                yield coming
        finally:
            feed.leave(listener)

    async def _catch_up(self, db: Database, run: str, last: EventId | None) -> AsyncIterator[bytes]:
        """The run's state, and the points since ``last`` where that is known."""
        newest = last.newest if last is not None else 0
        state = await self.work(functools.partial(read_state, db, run))
        yield encode("state", EventId(self.boot, 0, newest), state)
        if last is None:
            return
        watcher, more = Watcher(db, run, since=newest), True
        while more:
            look = await self.work(watcher.look)
            more = look.more
            if look.points:
                yield encode("points", EventId(self.boot, 0, look.newest), look.points)

    def _feed(self, db: Database, run: str) -> Feed:
        if self._closed:
            raise Unavailable("The server is about to end.")
        feed = self._feeds.get(run)
        if feed is None or feed.over:
            feed = self._feeds[run] = Feed(self, db, run)
            feed.task.add_done_callback(lambda _: self._forget(feed))
        return feed

    def _forget(self, feed: Feed) -> None:
        if self._feeds.get(feed.run) is feed:
            del self._feeds[feed.run]


Queue = asyncio.Queue[bytes | None]


class Feed:
    """One run's events, as long as somebody listens; ``begun`` after the first look."""

    def __init__(self, live: Live, db: Database, run: str) -> None:
        self.run = run
        self.over = False
        self.begun = asyncio.Event()
        self._live = live
        self._watcher = Watcher(db, run)
        self._state: State | None = None
        self._listeners: set[Queue] = set()
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._number = 0
        self._poked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.task = self._loop.create_task(self._run())

    def poke(self) -> None:
        """Look soon; from any thread."""
        if not self._poked.is_set():
            self._loop.call_soon_threadsafe(self._poked.set)

    def join(self, last: EventId | None) -> tuple[Queue, list[bytes] | None]:
        """A queue for a new listener, and the events it missed; None when they are not known."""
        queue: Queue = asyncio.Queue(BEHIND)
        self._listeners.add(queue)
        if last is None or last.boot != self._live.boot or last.number == 0:
            return queue, None
        oldest = self._kept[0][0] if self._kept else self._number + 1
        if not oldest - 1 <= last.number <= self._number:
            return queue, None
        return queue, [event for number, event in self._kept if number > last.number]

    def leave(self, queue: Queue) -> None:
        """A listener has gone."""
        self._listeners.discard(queue)

    def end(self) -> None:
        """Tell all listeners that nothing more comes."""
        self.over = True
        self.begun.set()
        for queue in list(self._listeners):
            if queue.full():
                _let_go(queue)
            else:
                queue.put_nowait(None)
        self.task.cancel()

    async def _run(self) -> None:
        alone = 0.0
        while not self.over and alone < LINGER:
            began = self._loop.time()
            try:
                look = await self._live.work(self._watcher.look)
            except EverloopError:  # the run is gone, or the database: who comes back is told
                break
            self.begun.set()
            self._tell(look)
            if look.state.over and not look.more:
                self._say("end", _ending(look.state))
                break
            if not look.more:
                await self._rest()
            alone = 0.0 if self._listeners else alone + self._loop.time() - began
        self.end()

    async def _rest(self) -> None:
        await asyncio.sleep(SOONEST)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._poked.wait(), EVERY - SOONEST)
        self._poked.clear()

    def _tell(self, look: Look) -> None:
        if look.points:
            self._say("points", look.points)
        before, self._state = self._state, look.state
        if before is None or before == look.state:
            return
        for kind in ("params", "tags"):
            changed = _changes(getattr(before, kind), getattr(look.state, kind))
            if changed:
                self._say(kind, changed)
        if _ending(before) != _ending(look.state):
            self._say("status", _ending(look.state))

    def _say(self, kind: str, data: object) -> None:
        self._number = ENDED if kind == "end" else self._number + 1
        id = EventId(self._live.boot, self._number, self._watcher.newest or 0)
        event = encode(kind, id, data)
        self._kept.append((self._number, event))
        for queue in list(self._listeners):
            if queue.full():
                self.leave(queue)
                _let_go(queue)
            else:
                queue.put_nowait(event)


async def _next(queue: Queue) -> bytes | None:
    """The next event, or a sign of life when there is none for long."""
    try:
        async with asyncio.timeout(HEARTBEAT):
            return await queue.get()
    except TimeoutError:
        return b": still here\n\n"


def _let_go(queue: Queue) -> None:
    """End a listener that is too far behind; it comes back with its last id for the rest."""
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)


def encode(kind: str, id: EventId, data: object) -> bytes:
    """An event as it goes over the wire."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        str(id).encode(),
        kind.encode(),
        msgspec.json.encode(data),
    )


def _ending(state: State) -> dict[str, object]:
    return {
        "status": state.status,
        "finished": state.finished,
        "deleted": state.deleted,
        "name": state.name,
    }


def _changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    """What was set, and None for what was removed."""
    changed: dict[str, str | None] = {k: v for k, v in after.items() if before.get(k) != v}
    return changed | dict.fromkeys(before.keys() - after.keys())
