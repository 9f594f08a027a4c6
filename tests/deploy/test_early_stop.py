"""A signal that comes while the data plane starts is a stop like any other, not a failure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from everloop.deploy.serving.server import Options, _listening
from everloop.errors import Unavailable
from ports import free_port


def options(tmp_path: Path) -> Options:
    return Options(state=tmp_path, host="127.0.0.1", port=free_port())


def test_a_server_that_was_stopped_before_it_took_connections(tmp_path: Path) -> None:
    async def start() -> None:
        async def stopped() -> None:
            return

        serving = asyncio.create_task(stopped())
        await asyncio.sleep(0)
        await _listening(options(tmp_path), serving)

    asyncio.run(start())


def test_a_server_that_failed_says_why(tmp_path: Path) -> None:
    async def start() -> None:
        async def failed() -> None:
            raise Unavailable("the reason")

        serving = asyncio.create_task(failed())
        await asyncio.sleep(0)
        await _listening(options(tmp_path), serving)

    with pytest.raises(Unavailable, match="the reason"):
        asyncio.run(start())
