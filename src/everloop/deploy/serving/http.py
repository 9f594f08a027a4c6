"""Requests and answers on granian's RSGI interface: what this server needs, and no more.

RSGI hands over a body and takes an answer in one call each, where ASGI needs two messages:
https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
"""

from __future__ import annotations

import asyncio
import os
import re
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from itertools import count
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.patience import Patience
from everloop.errors import (
    Conflict,
    EverloopError,
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    Unavailable,
)

Header = tuple[str, str]

JSON = ("content-type", "application/json")
TEXT = ("content-type", "text/plain; version=0.0.4; charset=utf-8")

UNCLEAR_END = "unclear_end"  # of a body: what follows on its connection cannot be trusted

_STATUS_OF_CODE = {
    "invalid_json": 400,
    "truncated_body": 400,
    "bad_compression": 400,
    UNCLEAR_END: 400,
    "invalid_header": 400,
    "unauthorized": 401,
    "method_not_allowed": 405,
    "upgrade_required": 426,
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
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
CODINGS = ("identity", "gzip", "deflate")  # of a body; gzip by RFC 1952, deflate by RFC 1950
BODY_SECONDS = 30.0  # a whole body may take so long: each one under way holds a connection
_encode = msgspec.json.Encoder().encode
_patience = Patience(BODY_SECONDS)
# Unique over processes by the random part, over requests by the count.
_process, _count = os.urandom(8).hex(), count(1)


class Headers(Protocol):
    """Names in lower case. Values that are not ASCII are left out of the items."""

    def items(self) -> list[Header]: ...

    def __contains__(self, name: str) -> bool: ...


class Scope(Protocol):
    """What RSGI says of a request; ``proto`` is ``http`` or ``ws``."""

    proto: str
    method: str
    path: str
    query_string: str
    headers: Headers


class Exchange(Protocol):
    """RSGI's way to a request's body, whole or in pieces, and back."""

    def __call__(self) -> Awaitable[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def response_bytes(self, status: int, headers: list[Header], body: bytes) -> None: ...

    def response_stream(self, status: int, headers: list[Header]) -> Transport: ...

    async def client_disconnect(self) -> None: ...


class Transport(Protocol):
    """RSGI's way back for an answer in pieces; a send waits until there is room for it."""

    async def send_bytes(self, data: bytes) -> None: ...


class Message(Protocol):
    """What came over a websocket: of ``kind`` 0 its end, 1 bytes, 2 text."""

    kind: int
    data: bytes | str


class Socket(Protocol):
    """RSGI's websocket, accepted."""

    async def receive(self) -> Message: ...

    async def send_str(self, data: str) -> None: ...


class Upgrade(Protocol):
    """RSGI's websocket, before it is accepted: ``close`` with a status of HTTP refuses it."""

    async def accept(self) -> Socket: ...

    def close(self, status: int | None) -> object: ...


class Request:
    """One request; its body is read when asked for."""

    __slots__ = (
        "_exchange", "_given", "endpoint", "headers", "id", "method", "params", "path", "query",
        "started", "version",
    )  # fmt: skip

    def __init__(self, scope: Scope, exchange: Exchange) -> None:
        self.started = time.perf_counter()
        self.method = scope.method
        self.path = scope.path
        self.query = scope.query_string
        self._given = scope.headers
        self.headers = dict(self._given.items())
        self._exchange = exchange
        self.params: Mapping[str, str] = {}  # what the names in the route's path stand for
        self.endpoint: LiveEndpoint | None = None  # of a route that is for one
        self.version = 0  # that answered
        self.id = request_id(self.headers.get("x-request-id"))

    def asked_endpoint(self) -> LiveEndpoint:
        """The endpoint of a route that is for one."""
        assert self.endpoint is not None, "the route is for an endpoint"
        return self.endpoint

    @property
    def key(self) -> str:
        """Who asks, for the choice of the version: the caller's own key, or this request's id.

        Raises InvalidInput for a key that is not ASCII: it cannot be seen, and another one in its
        place would not keep the caller with one version.
        """
        given = self.headers.get("x-everloop-key")
        if given is not None:
            return given
        if "x-everloop-key" in self._given:
            raise InvalidInput(
                "x-everloop-key: expected ASCII characters.",
                code="invalid_header", path="x-everloop-key", expected="ASCII characters",
                fix="Percent-encode the key, or send a hash of it.",
            )  # fmt: skip
        return self.id

    @property
    def deadline(self) -> float | None:
        """When the caller stops waiting: ``x-everloop-deadline-ms`` after the request came."""
        given = self.headers.get("x-everloop-deadline-ms")
        if given is None:
            return None
        if not given.isdecimal() or len(given) > 9:
            raise InvalidInput(
                "x-everloop-deadline-ms: expected a whole number of milliseconds.",
                code="invalid_header", path="x-everloop-deadline-ms", got=given[:40],
            )  # fmt: skip
        return self.started + int(given) / 1000

    def take_id(self, given: str | None) -> None:
        """The id that the body names, where no header did."""
        if given and "x-request-id" not in self.headers and _REQUEST_ID.fullmatch(given):
            self.id = given

    def parameters(self) -> dict[str, str]:
        """The query's parameters; the last of a name counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    async def body(self, limit: int) -> bytes:
        """The whole body.

        Raises :class:`~everloop.errors.TooLarge` as soon as it is known to be beyond ``limit``
        bytes, and InvalidInput when the connection ends within it or it takes too long.
        """
        headers = self.headers
        text = headers.get("content-length", "")
        declared = int(text) if text.isdecimal() else -1
        if declared > limit:
            raise too_large(limit)
        chunked = "transfer-encoding" in headers
        coding = self._coding() if chunked or "content-encoding" in headers else "identity"
        try:
            with _patience:
                # A declared length is kept to by the server, chunks have to be counted.
                whole = declared >= 0 and not chunked
                body = await (self._exchange() if whole else self._chunks(limit))
        except TimeoutError:
            raise InvalidInput(
                f"body: its end did not come within {_patience.seconds:g} s.", code="slow_body",
                path="$", expected=f"the whole body within {_patience.seconds:g} s",
            ) from None  # fmt: skip
        except RuntimeError as error:  # what RSGI raises when the connection is gone
            raise _truncated(str(error)) from None
        if coding == "identity":
            return body
        return await asyncio.to_thread(_inflated, body, limit)

    def _coding(self) -> str:
        """How the body is packed. Raises InvalidInput."""
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise InvalidInput(
                "transfer-encoding: expected chunked alone, or a content-length.",
                code=UNCLEAR_END, path="transfer-encoding",
            )  # fmt: skip
        coding = self.headers.get("content-encoding", "identity").lower()
        if coding not in CODINGS:
            raise InvalidInput(
                f"content-encoding: got {coding[:40]!r}, expected gzip, deflate or none.",
                code="unsupported_encoding", path="content-encoding",
            )  # fmt: skip
        return coding

    async def _chunks(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        ended = False  # granian says so by an empty chunk; after a connection's end by two
        async for chunk in self._exchange:
            if ended:
                raise _truncated(f"after {size} bytes")
            ended = not chunk
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
        return b"".join(chunks)


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
        raise too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise InvalidInput(
            "body: the compressed data ends early, or goes on after its end.",
            code="bad_compression", path="$",
        )  # fmt: skip
    return plain


def request_id(given: str | None) -> str:
    """The caller's own id of a request, where it is one, or a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
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

    def send(self, exchange: Exchange) -> None:
        """Send it whole."""
        exchange.response_bytes(self.status, self.headers, self.body)


class Streamed(Response):
    """An answer that takes its time."""

    __slots__ = ()

    async def run(self, exchange: Exchange) -> None:
        """Send all of it; what goes wrong after the status is said in the stream."""
        raise NotImplementedError


def json_response(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(status, _encode(value), [JSON])


def error_response(error: EverloopError, request: str) -> Response:
    """An error as JSON, as the control plane gives it: ``{"error": {…, "request": ID}}``."""
    status = status_of(error)
    body = {"error": {**error.to_dict(), "request": request}}
    response = Response(status, _encode(body), [JSON])
    if status == 401:
        response.headers.append(("www-authenticate", "Bearer"))
    if status in (429, 503):
        response.headers.append(("retry-after", "1"))
    return response


def status_of(error: EverloopError) -> int:
    """The HTTP status of an error; 500 for what is not the caller's."""
    if error.code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[error.code]
    return next((status for kind, status in _STATUS_OF_TYPE if isinstance(error, kind)), 500)


def _truncated(where: str) -> InvalidInput:
    return InvalidInput(
        f"body: the connection ended before the body did ({where}).",
        code="truncated_body", path="$",
    )  # fmt: skip


def too_large(limit: int) -> TooLarge:
    """The refusal of a body or a message."""
    return TooLarge(
        f"body: got more than {limit} bytes, expected at most {limit}.",
        path="$", expected=f"at most {limit} bytes",
        fix="Send fewer rows at once, or raise settings.max_body_mb.",
    )  # fmt: skip
