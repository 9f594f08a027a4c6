"""Artifacts through the proxy, where only what happens inside tells one way from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from wire_helpers import Wire

from everloop.loop.project import Project
from everloop.server.app import create_app
from everloop.store.blobs import Blobs
from everloop.store.incoming import Incoming
from everloop.tracking.artifacts.transfer import SMALL

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def test_a_small_file_takes_no_detour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written where it belongs, without a file on its way there and without a thread."""
    on_the_way, threads = [], []
    receive, run_sync = Blobs.receive, anyio.to_thread.run_sync

    def received(blobs: Blobs) -> Incoming:
        on_the_way.append(1)
        return receive(blobs)

    async def ran(function: Any, *arguments: Any, **options: Any) -> Any:
        threads.append(function)
        return await run_sync(function, *arguments, **options)

    monkeypatch.setattr(Blobs, "receive", received)
    monkeypatch.setattr(anyio.to_thread, "run_sync", ran)
    with Project.open(tmp_path) as project:
        wire = Wire(create_app(project))
        for size in (0, 1000, SMALL):
            path = f"{PROXY}/a/{size}"
            assert wire.ask("PUT", path, content=b"x" * size).status_code == 200
            assert wire.ask("GET", path).content == b"x" * size
        assert (on_the_way, threads) == ([], [])
        assert wire.ask("PUT", f"{PROXY}/a/large", content=b"x" * 2_000_000).status_code == 200
        assert wire.ask("GET", f"{PROXY}/a/large").content == b"x" * 2_000_000
        assert len(on_the_way) == 1
        assert threads
