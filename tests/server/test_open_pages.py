"""What tells open pages to look again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio.to_thread

from everloop.console.pulse import newest
from everloop.loop.project import Project
from everloop.server.changes import CHANGED, MADE_MS, Changes
from waiting import SECONDS


async def work(function: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(function)


def test_what_happened_before_a_page_listened_is_told_at_once(project: Project) -> None:
    project.pauses.pause(actor="someone")
    at = newest(project.db)

    async def first(since: int | None, then: Callable[[], object] | None = None) -> bytes:
        """What is told first; ``then`` happens once nothing was told for a while."""
        changes = Changes(work)
        stream = changes.listen(project.db, since)
        assert (await anext(stream)).startswith(b"retry:")
        coming = asyncio.ensure_future(anext(stream))
        if then is not None:
            await asyncio.sleep(0.3)
            assert not coming.done()
            then()
        event = await asyncio.wait_for(coming, SECONDS)
        changes.close()
        await stream.aclose()
        return event

    def resume() -> None:
        project.pauses.resume(actor="someone")

    assert asyncio.run(first(at)) == CHANGED
    assert asyncio.run(first(at + 2 * MADE_MS, resume)) == CHANGED
