"""Server-sent events and websockets: one event for each answer, and one at the end.

``POST …/predict`` with ``Accept: text/event-stream`` streams (WHATWG's server-sent events), and so
does ``/v2/models/NAME/generate_stream``, the extension of the Open Inference Protocol, where the
inputs are the keys of one object. A websocket at ``/endpoints/NAME/stream`` takes bodies of
predict, one a message, and answers each before it reads the next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.core import Call
from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.http import (
    Exchange,
    Header,
    Request,
    Response,
    Socket,
    Streamed,
    error_response,
    too_large,
)
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.deploy.serving.limits import overloaded
from everloop.deploy.serving.openapi import EVENTS, described, event_of, record_of
from everloop.deploy.serving.protocols._bodies import sentence_response
from everloop.deploy.serving.protocols.v2 import arm_of
from everloop.deploy.serving.routing import Route
from everloop.deploy.serving.streams import Answers, Step, Streams
from everloop.errors import EverloopError

IDLE_SECONDS = 300.0  # of a websocket without a message
MOST_SOCKETS = 1_000
_TYPE = ("content-type", EVENTS)
_HEADERS: list[Header] = [_TYPE, ("cache-control", "no-store"), ("x-accel-buffering", "no")]
_encode = msgspec.json.Encoder(enc_hook=str).encode
_log = logging.getLogger(__name__)
Shape = Callable[[Step], dict[str, Any]]


class EventStream(Streamed):
    """An answer that is sent event by event; ``first`` is there before the status is sent."""

    __slots__ = ("_answers", "_first", "_request", "_shape")

    def __init__(self, request: Request, first: Step, answers: Answers, shape: Shape) -> None:
        version = ("x-everloop-version", str(first.version))
        super().__init__(200, b"", [*_HEADERS, ("x-request-id", request.id), version])
        self._request, self._first, self._answers, self._shape = request, first, answers, shape

    async def run(self, exchange: Exchange) -> None:
        """Send all there is, or until the caller leaves."""
        gone = asyncio.ensure_future(exchange.client_disconnect())
        transport = exchange.response_stream(self.status, self.headers)
        step, count, rows = self._first, 0, 0
        try:
            async with aclosing(self._answers) as answers:
                await transport.send_bytes(_event(self._shape(step)))
                count, rows = 1, step.row + 1
                async for step in answers:
                    if gone.done():
                        return
                    await transport.send_bytes(_event(self._shape(step)))
                    count, rows = count + 1, step.row + 1
            end = {"rows": rows, "events": count, "version": step.version}
            await transport.send_bytes(_event({**end, "request": self._request.id}, "end"))
        except EverloopError as error:
            await transport.send_bytes(_event(_failed(error, self._request.id), "error"))
        except RuntimeError:  # what RSGI raises when the connection is gone
            _log.info("request %s: the caller left the stream", self._request.id)
        finally:
            gone.cancel()


class Streaming:
    """The routes of server-sent events, and what a websocket is answered."""

    def __init__(self, asking: Asking, streams: Streams, fleet: Fleet) -> None:
        self._asking, self._streams, self._fleet = asking, streams, fleet
        self._sockets = 0

    def routes(self) -> list[Route]:
        """Websockets, and the extension of the Open Inference Protocol."""
        sockets = ("/stream", "/endpoints/{name}/stream")
        paths = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
        return [
            *(Route("GET", path, self.upgrade, True, socket=self.socket) for path in sockets),
            *(
                Route(
                    "POST", f"{path}/generate_stream", self.generate, True,
                    error=sentence_response, describe=_described,
                )
                for path in paths
            ),
        ]  # fmt: skip

    async def upgrade(self, request: Request) -> Response:
        """``GET /endpoints/NAME/stream`` as a websocket: bodies of predict, one a message"""
        raise EverloopError(
            "connection: expected the upgrade to a websocket.", code="upgrade_required",
            path="upgrade", fix="Open ws://…/stream, or POST to predict.",
        )  # fmt: skip

    async def predict(self, request: Request) -> Response:
        """Events for the body of predict."""
        return await self._begun(request, partial(_shaped, name=""))

    async def generate(self, request: Request) -> Response:
        """``POST /v2/models/M/generate_stream``: inputs as keys of an object, events back."""
        shape = partial(_shaped, name=request.asked_endpoint().name)
        return await self._begun(request, shape, request.params.get("version"))

    async def _begun(self, request: Request, shape: Shape, version: str | None = None) -> Response:
        """What is wrong before the first answer is an answer like any other."""
        endpoint = request.asked_endpoint()
        body = await self._asking.body(request)
        call = Call(request.id, request.key, request.started, len(body), request.deadline)
        named = arm_of(version, endpoint)
        answers = self._streams.answers(endpoint, partial(_read, body), call, named)
        first = await anext(answers)  # a stream has one answer at least
        request.version = first.version
        return EventStream(request, first, answers, shape)

    async def socket(self, request: Request, socket: Socket) -> None:
        """Answer messages until the caller leaves or is silent for long."""
        if self._sockets >= MOST_SOCKETS:
            raise overloaded(self._sockets, 0)
        self._sockets += 1
        gone = asyncio.Event()
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        listening = asyncio.create_task(_listen(socket, waiting, gone))
        number = 0
        try:
            while (body := await waiting.get()) is not None:
                await self._answer(request, f"{request.id}-{number}", body, socket, gone)
                number += 1
        except RuntimeError:  # what RSGI raises when the connection is gone
            _log.info("request %s: the caller left the websocket", request.id)
        finally:
            listening.cancel()
            self._sockets -= 1

    async def _answer(
        self, request: Request, id: str, body: bytes, socket: Socket, gone: asyncio.Event
    ) -> None:
        count, rows, version = 0, 0, 0
        try:
            if len(body) > self._asking.max_body:
                raise too_large(self._asking.max_body)
            # Asked anew: a rollout may have gone on.
            endpoint = await self._fleet.asked(request.params.get("name"))
            call = Call(id, request.key, time.perf_counter(), len(body))
            async with aclosing(
                self._streams.answers(endpoint, partial(_read, body), call)
            ) as answers:
                async for step in answers:
                    if gone.is_set():
                        return
                    said = {"request": id, **_shaped(step, name="")}
                    await socket.send_str(_encode(said).decode())
                    count, rows, version = count + 1, step.row + 1, step.version
            end = {"rows": rows, "events": count, "version": version}
            await socket.send_str(_encode({"request": id, "end": end}).decode())
        except EverloopError as error:
            await socket.send_str(_encode({"request": id, **_failed(error, id)}).decode())


async def _listen(
    socket: Socket, waiting: asyncio.Queue[bytes | None], gone: asyncio.Event
) -> None:
    """Hand messages over, at most one ahead of what is answered; None is the end."""
    try:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await socket.receive()
            if message.kind == 0:
                break
            data = message.data
            await waiting.put(data if isinstance(data, bytes) else data.encode())
    except (TimeoutError, RuntimeError):
        pass
    gone.set()
    await waiting.put(None)


def _described(endpoint: LiveEndpoint) -> dict[str, Any]:
    """Body and events for OpenAPI."""
    said = described({"application/json": record_of(endpoint)}, event_of(endpoint))
    content = said["responses"]["200"]["content"]
    said["responses"]["200"]["content"] = {EVENTS: content["application/json"]}
    return said


def _shaped(step: Step, name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"row": step.row, "step": step.step, "y_pred": step.y, "id": step.id}
    if step.p is not None:
        said["probabilities"] = step.p
    if name:
        said = {"model_name": name, "model_version": str(step.version), **said}
    return said


def _event(value: Any, kind: str = "") -> bytes:
    """JSON has no line break, so one ``data`` line holds it."""
    head = f"event: {kind}\n".encode() if kind else b""
    return head + b"data: " + _encode(value) + b"\n\n"


def _failed(error: EverloopError, request: str) -> dict[str, Any]:
    return dict(msgspec.json.decode(error_response(error, request).body))


def _read(body: bytes, reader: InputReader) -> Rows:
    return reader.read(body)
