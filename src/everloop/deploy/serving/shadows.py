"""Shadows: versions that see the traffic off the callers' path.

A request is queued after its reply has left. The queue is bounded; what does not fit is counted
and not seen, so that a slow shadow costs memory and latency of nobody.
"""

from __future__ import annotations

import asyncio

from everloop.deploy.serving.core import Call, Core, Read
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.endpoint import LiveEndpoint

WAITING = 256

Job = tuple[LiveEndpoint, Read, Call]


class Shadows:
    """The queue and its one worker."""

    def __init__(self, core: Core, counts: Counts) -> None:
        self._core = core
        self._counts = counts
        self._queue: asyncio.Queue[Job] = asyncio.Queue(WAITING)

    def offer(self, endpoint: LiveEndpoint, read: Read, call: Call) -> None:
        """Queue an answered request."""
        try:
            self._queue.put_nowait((endpoint, read, call))
        except asyncio.QueueFull:
            self._counts.shadow_dropped()

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            endpoint, read, call = await self._queue.get()
            try:
                for arm in endpoint.shadows:
                    await self._core.shadow(endpoint, arm, read, call)
            finally:
                self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait until the queue is empty, no longer than so many seconds."""
        try:
            await asyncio.wait_for(self._queue.join(), seconds)
        except TimeoutError:
            self._counts.shadow_dropped(self._queue.qsize())
