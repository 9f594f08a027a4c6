"""Requests and answers on the raw ASGI interface: what this server needs of them, and no more."""

from __future__ import annotations

import asyncio
import os
import re
import time
import zlib
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.errors import (
    Conflict,
    EverloopError,
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    Unavailable,
)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")

UNCLEAR_END = "unclear_end"  # of a body: what follows on its connection cannot be trusted

_STATUS_OF_CODE = {
    "invalid_json": 400,
    "truncated_body": 400,
    "bad_compression": 400,
    UNCLEAR_END: 400,
    "invalid_header": 400,
    "unauthorized": 401,
    "method_not_allowed": 405,
    "slow_body": 408,
    "overloaded": 429,
    "deadline_exceeded": 504,
    "unsupported_encoding": 415,
    "unsupported_media_type": 415,
}
_STATUS_OF_TYPE: tuple[tuple[type[EverloopError], int], ...] = (
    (TooLarge, 413),
    (InvalidInput, 422),
    (NotFound, 404),
    (Forbidden, 403),
    (Conflict, 409),
    (Unavailable, 503),
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
CODINGS = (b"identity", b"gzip", b"deflate")  # of a body; gzip by RFC 1952, deflate by RFC 1950
BODY_SECONDS = 30.0  # a whole body may take so long: each one under way holds a connection
_encode = msgspec.json.Encoder().encode
# Unique over processes by the random part, over requests by the count.
_process, _count = os.urandom(8).hex(), count(1)


class Request:
    """One request; its body is read when asked for."""

    __slots__ = (
        "_receive", "endpoint", "headers", "id", "method", "params", "path", "query", "started",
        "version",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self.params: dict[str, str] = {}  # what the names in the route's path stand for
        self.endpoint: LiveEndpoint | None = None  # of a route that is for one
        self.version = 0  # that answered
        self.id = request_id(self.headers.get(b"x-request-id"))

    def asked_endpoint(self) -> LiveEndpoint:
        """The endpoint of a route that is for one."""
        assert self.endpoint is not None, "the route is for an endpoint"
        return self.endpoint

    @property
    def key(self) -> str:
        """Who asks, for the choice of the version: the caller's own key, or this request's id."""
        given = self.headers.get(b"x-everloop-key")
        return self.id if given is None else given.decode("latin-1")

    @property
    def deadline(self) -> float | None:
        """When the caller stops waiting: ``x-everloop-deadline-ms`` after the request came."""
        given = self.headers.get(b"x-everloop-deadline-ms")
        if given is None:
            return None
        if not given.isdigit() or len(given) > 9:
            raise InvalidInput(
                "x-everloop-deadline-ms: expected a whole number of milliseconds.",
                code="invalid_header", path="x-everloop-deadline-ms",
                got=given[:40].decode("latin-1"),
            )  # fmt: skip
        return self.started + int(given) / 1000

    def take_id(self, given: str | None) -> None:
        """The id that the body names, where no header did."""
        if given and b"x-request-id" not in self.headers and _REQUEST_ID.fullmatch(given.encode()):
            self.id = given

    def parameters(self) -> dict[str, str]:
        """The query's parameters; the last of a name counts."""
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))

    async def body(self, limit: int) -> bytes:
        """The whole body.

        Raises :class:`~everloop.errors.TooLarge` as soon as it is known to be beyond ``limit``
        bytes, and InvalidInput when the connection ends within it or it takes too long.
        """
        text = self.headers.get(b"content-length", b"")
        declared = int(text) if text.isdigit() else -1
        if declared > limit:
            raise _too_large(limit)
        if self.headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise InvalidInput(
                "transfer-encoding: expected chunked alone, or a content-length.",
                code=UNCLEAR_END, path="transfer-encoding",
            )  # fmt: skip
        coding = self.headers.get(b"content-encoding", b"identity").lower()
        if coding not in CODINGS:
            raise InvalidInput(
                f"content-encoding: got {coding[:40].decode('latin-1')!r}, expected gzip, deflate "
                "or none.", code="unsupported_encoding", path="content-encoding",
            )  # fmt: skip
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._whole(declared, limit)
        except TimeoutError:
            raise InvalidInput(
                f"body: its end did not come within {BODY_SECONDS:g} s.",
                code="slow_body", path="$", expected=f"the whole body within {BODY_SECONDS:g} s",
            ) from None  # fmt: skip
        if coding == b"identity":
            return body
        return await asyncio.to_thread(_inflated, body, limit)

    async def _whole(self, declared: int, limit: int) -> bytes:
        message = await self._receive()
        # The server says "more" until it has seen the end; the declared length tells sooner, and
        # spares a round to it.
        if message["type"] == "http.request" and len(message["body"]) == declared:
            return bytes(message["body"])
        return await self._chunks(message, limit)

    async def _chunks(self, message: dict[str, Any], limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while message["type"] == "http.request":
            chunks.append(message["body"])
            size += len(chunks[-1])
            if size > limit:
                raise _too_large(limit)
            if not message.get("more_body"):
                return b"".join(chunks)
            message = await self._receive()
        raise InvalidInput(
            f"body: the connection ended after {size} bytes, before the body did.",
            code="truncated_body", path="$", got=size,
        )  # fmt: skip


def _inflated(body: bytes, limit: int) -> bytes:
    """A compressed body, never made larger than ``limit`` bytes."""
    inflater = zlib.decompressobj(wbits=47)  # gzip or deflate, as its head says
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise InvalidInput(
            f"body: it is not compressed as content-encoding says ({error}).",
            code="bad_compression", path="$",
        ) from None  # fmt: skip
    if len(plain) > limit:
        raise _too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise InvalidInput(
            "body: the compressed data ends early, or goes on after its end.",
            code="bad_compression", path="$",
        )  # fmt: skip
    return plain


def request_id(given: bytes | None) -> str:
    """The caller's own id of a request, where it is one, or a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return f"{_process}{next(_count):08x}"


class Response:
    """Status, body and headers; ``after`` is called once the reply has left."""

    __slots__ = ("after", "body", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        headers: list[Header],
        after: Callable[[], None] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.after = after

    async def send(self, send: Send) -> None:
        """Send it whole."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(status, _encode(value), [JSON])


def error_response(error: EverloopError, request: str) -> Response:
    """An error as JSON, as the control plane gives it: ``{"error": {…, "request": ID}}``."""
    status = status_of(error)
    body = {"error": {**error.to_dict(), "request": request}}
    response = Response(status, _encode(body), [JSON])
    if status == 401:
        response.headers.append((b"www-authenticate", b"Bearer"))
    if status in (429, 503):
        response.headers.append((b"retry-after", b"1"))
    return response


def status_of(error: EverloopError) -> int:
    """The HTTP status of an error; 500 for what is not the caller's."""
    if error.code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[error.code]
    return next((status for kind, status in _STATUS_OF_TYPE if isinstance(error, kind)), 500)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"body: got more than {limit} bytes, expected at most {limit}.",
        path="$", expected=f"at most {limit} bytes",
        fix="Send fewer rows at once, or raise settings.max_body_mb.",
    )  # fmt: skip
