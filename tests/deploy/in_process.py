"""The whole application of a data plane on an event loop of this process, without a socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

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
from everloop.deploy.serving.protocols.streaming import Streaming
from everloop.deploy.serving.protocols.v1 import V1
from everloop.deploy.serving.protocols.v2 import V2
from everloop.deploy.serving.shadows import Shadows
from everloop.deploy.serving.streams import Streams
from everloop.deploy.state import state_path
from logged import records_in


class Asked(NamedTuple):
    """A request as RSGI has it."""

    path: str
    headers: dict[str, str]
    method: str = "POST"
    proto: str = "http"
    query_string: str = ""


class Exchanged:
    """A body that is there, in RSGI's form, and the ``answer`` to it: status and body."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.answer = (0, b"")

    async def __call__(self) -> bytes:
        return self.body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answer = (status, body)


class Plane:
    """Asked by :meth:`post`; ``logged`` says what it wrote down."""

    def __init__(self, state: Path, log: Path, max_body: int = 1 << 20) -> None:
        self.loop = asyncio.new_event_loop()
        self.log = log
        self.journal = Journal(log, Counts(), "never")
        self.core = Core(self.journal)
        counts = self.counts = Counts()
        self.explaining = Explaining(max_body)
        self.loop.run_until_complete(self._make(state, counts, max_body))

    async def _make(self, state: Path, counts: Counts, max_body: int) -> None:
        fleet = Fleet(state, state_path(state), counts)
        await fleet.refresh()
        assert fleet.ready, fleet.errors
        asking = Asking(self.core, Shadows(self.core, counts), max_body)
        streaming = Streaming(asking, Streams(self.core), fleet)
        protocols = [
            Native(asking, streaming), streaming, self.explaining, V1(asking, fleet),
            V2(asking, fleet), Repository(fleet), MLflow(asking, fleet),
        ]  # fmt: skip
        self.app = App(fleet, counts, Access("127.0.0.1", ""), protocols)

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        given = {"host": "127.0.0.1", "content-length": str(len(body))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        exchange = Exchanged(body)
        self.loop.run_until_complete(self.app(Asked(path, given), exchange))
        return exchange.answer

    def logged(self) -> list[dict[str, Any]]:
        """Every record of the prediction log; raises for one that is not whole."""
        return records_in(self.log / "predictions")

    def close(self) -> None:
        self.explaining.close()
        self.core.close()
        self.journal.close()
        self.loop.close()
