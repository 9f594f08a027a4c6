"""The whole application of a data plane on an event loop of this process, without a socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from everloop.data.segments import list_segments, read_segment
from everloop.deploy.serving.access import Access
from everloop.deploy.serving.app import App
from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.core import Core
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.journal import Journal
from everloop.deploy.serving.protocols.explaining import Explaining
from everloop.deploy.serving.protocols.mlflow import MLflow
from everloop.deploy.serving.protocols.native import Native
from everloop.deploy.serving.protocols.repository import Repository
from everloop.deploy.serving.protocols.v1 import V1
from everloop.deploy.serving.protocols.v2 import V2
from everloop.deploy.serving.shadows import Shadows
from everloop.deploy.state import state_path


class Plane:
    """Asked by :meth:`post`; ``logged`` says what it wrote down."""

    def __init__(self, state: Path, log: Path, max_body: int = 1 << 20) -> None:
        self.loop = asyncio.new_event_loop()
        self.log = log
        self.journal = Journal(log, Counts(), "never")
        self.core = Core(self.journal)
        counts = Counts()
        self.explaining = Explaining(max_body)
        self.loop.run_until_complete(self._make(state, counts, max_body))

    async def _make(self, state: Path, counts: Counts, max_body: int) -> None:
        fleet = Fleet(state, state_path(state), counts)
        await fleet.refresh()
        assert fleet.ready, fleet.errors
        asking = Asking(self.core, Shadows(self.core, counts), max_body)
        protocols = [
            Native(asking), self.explaining, V1(asking, fleet), V2(asking, fleet),
            Repository(fleet), MLflow(asking, fleet),
        ]  # fmt: skip
        self.app = App(fleet, counts, Access("127.0.0.1", ""), protocols)

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        given = [(b"host", b"127.0.0.1"), (b"content-length", str(len(body)).encode())]
        given += [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
        scope = {
            "type": "http", "method": "POST", "path": path, "query_string": b"", "headers": given,
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        self.loop.run_until_complete(self.app(scope, receive, send))
        return sent[0]["status"], sent[1]["body"]

    def logged(self) -> list[dict[str, Any]]:
        """Every record of the prediction log; raises for one that is not whole."""
        return [
            msgspec.msgpack.decode(payload)
            for path in list_segments(self.log / "predictions")
            for payload, _ in read_segment(path)
        ]

    def close(self) -> None:
        self.explaining.close()
        self.core.close()
        self.journal.close()
        self.loop.close()
