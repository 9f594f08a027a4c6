"""Files over HTTP, piece by piece both ways: memory does not grow with them.

A slow reader or a slow disk holds up the other side, since the next piece is asked for only when
the last one is through.
"""

from __future__ import annotations

import functools
import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Protocol, TypeVar
from urllib.parse import quote

import anyio.to_thread
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from everloop.errors import InvalidInput
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.incoming import Incoming, Whole
from everloop.store.instant import Busy
from everloop.tracking.artifacts.store import PIECE

T = TypeVar("T")
SMALL = 128 * 1024
"""Bytes that are written or read without a thread, since that takes less than a millisecond."""
BINARY = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]+")
# What MLflow's server calls text, by extension or by the whole name.
_TEXT = re.compile(
    r"(.*\.)?(txt|log|err|cfg|conf|cnf|cf|ini|properties|prop|hocon|toml|yaml|yml|xml|json|js|py"
    r"|py3|csv|tsv|md|rst|ipynb)|MLmodel|mlproject",
    re.DOTALL,
)


class Store(Protocol):
    """Where files go to and come from."""

    db: Database
    blobs: Blobs


async def take(request: Request, store: Store, then: Callable[[Incoming | Whole], T]) -> T:
    """What ``then`` makes of the request's body; it is called in a thread unless that is small.

    A small body stays in memory; others become a file. A body that is cut off raises, and leaves
    no file.
    """
    said = request.headers.get("content-length")
    with ExitStack() as stack:
        incoming: Incoming | None = None
        held: list[bytes] = []
        size = waiting = 0
        try:
            async for piece in request.stream():
                held.append(piece)
                size, waiting = size + len(piece), waiting + len(piece)
                if waiting >= PIECE:
                    incoming = incoming or stack.enter_context(store.blobs.receive())
                    await anyio.to_thread.run_sync(incoming.write, b"".join(held))
                    held, waiting = [], 0
        except ClientDisconnect:
            raise cut_off(size, said) from None
        if said is not None and int(said) != size:
            raise cut_off(size, said)
        rest = held[0] if len(held) == 1 else b"".join(held)
        if incoming is None:
            return await soon(store, size, functools.partial(then, Whole(rest)))
        return await anyio.to_thread.run_sync(_finish, incoming, rest, then)


def _finish(incoming: Incoming, rest: bytes, then: Callable[[Incoming], T]) -> T:
    incoming.write(rest)
    return then(incoming)


async def soon(store: Store, size: int, function: Callable[[], T]) -> T:
    """Call ``function``, which reads or writes ``size`` bytes beside a few rows.

    It is called here where nothing has to be waited for, which saves more time than it takes;
    else in a thread.
    """
    if size <= SMALL and store.blobs.local:
        try:
            with store.db.instantly():
                return function()
        except Busy:
            pass
    return await anyio.to_thread.run_sync(function)


def cut_off(got: int, said: str | None) -> InvalidInput:
    """The refusal of a body that ends too early."""
    expected = "the end of it" if said is None else f"the {said} that Content-Length says"
    return InvalidInput(f"body: got {got} bytes, expected {expected}.", code="cut_off", path="$")


async def download(
    request: Request,
    store: Store,
    name: str,
    digest: str,
    size: int,
    instead: Mapping[str, str] | None = None,
) -> Response:
    """The response with a blob's content, or the part of it that the request asks for.

    It is for saving and not for showing, since what users upload must not run as a page of ours.
    Whoever gives headers ``instead`` answers for that.
    """
    tag = f'"{digest}"'
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": disposition(name),
        "content-security-policy": "sandbox; default-src 'none'",
        "content-type": media_type(name),
        "etag": tag,
        "x-content-type-options": "nosniff",
        **(instead or {}),
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"etag": tag})
    start, end = 0, size
    span = request.headers.get("range", "")
    partial = _RANGE.fullmatch(span.replace(" ", ""))
    if partial and request.headers.get("if-range", tag) == tag:
        start, end = _bounds(partial[1], partial[2], size)
        if start >= end:
            headers |= {"content-range": f"bytes */{size}", "content-length": "0"}
            return Response(status_code=416, headers=headers)
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    else:
        partial = None
    status = 206 if partial else 200
    headers["content-length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    span_of = () if end - start == size else (start, end)
    pieces = store.blobs.read(digest, *span_of)
    if end - start <= PIECE:
        body = await soon(store, end - start, functools.partial(b"".join, pieces))
        return Response(body, status, headers)
    first = await anyio.to_thread.run_sync(next, pieces)  # while a refusal can still be told
    return StreamingResponse(iterate_in_threadpool(_with(first, pieces)), status, headers)


def media_type(name: str) -> str:
    """The media type of a file, by its name; no charset, as MLflow's server has it."""
    if _TEXT.fullmatch(name):
        return "text/plain"
    return mimetypes.guess_type(name)[0] or BINARY


def disposition(name: str) -> str:
    """The header that has a file saved under its name."""
    if _TOKEN.fullmatch(name):
        return f"attachment; filename={name}"
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:  # the last bytes
        return max(size - int(last or 0), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
