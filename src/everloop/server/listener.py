"""HTTP/1.1 in this process and on this event loop: uvicorn, with bounds on what a caller may hold.

The requests of one client come one after the other, each waiting for the last one's answer. What
they wait for is above all threads waking each other up, so there is only one: the socket is read,
the application runs and the answer is written by the event loop's own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

CONNECTIONS = 1024
"""At a time, idle ones among them; one more is answered 503."""
HEAD_BYTES = 64 * 1024
"""Of a request's first line and headers together."""
HEAD_SECONDS = 10.0
"""In which they have to come, once the first byte is there."""
IDLE_SECONDS = 75.0
"""That a connection is kept open for a next request."""
DRAIN_SECONDS = 10.0
"""That answers under way have to come to their end when the server stops."""


class Connection(HttpToolsProtocol):
    """One connection; a head that is too long, or does not come to its end, closes it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = False
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._wait_for_head(len(data))
        else:
            self._held = 0
            self._stop_timer()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The caller has sent all it will; it may still read, until an answer has begun."""
        cycle = self.cycle
        if cycle is None or cycle.response_started:
            return None
        if cycle.more_body:
            self._refuse(400)
            return None
        cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _wait_for_head(self, more: int) -> None:
        self._held += more
        if self._held > HEAD_BYTES:
            self._refuse(431)
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408)

    def _refuse(self, status: int) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.write(
                STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Listener(uvicorn.Server):
    """Answers requests until :meth:`stop`; signals are left to whoever runs the loop."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host,
                port,
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,  # who is on this machine is not for a header to say
                server_header=False,
                backlog=CONNECTIONS,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=int(IDLE_SECONDS),
                timeout_graceful_shutdown=int(DRAIN_SECONDS),
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """No new connections; those that are open end with their answers."""
        self.should_exit = True


async def listening(server: Listener, serving: asyncio.Task[None]) -> None:
    """Returns when the socket is bound, or when ``serving`` has ended before."""
    while not server.started and not serving.done():
        await asyncio.sleep(0.002)
