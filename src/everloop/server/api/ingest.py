"""Logging to a run: points, params and tags, as JSON or as a client's record."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from everloop.errors import InvalidInput
from everloop.server.call import Call
from everloop.server.routing import json_decoder
from everloop.store.clock import now_ms
from everloop.tracking.ingest import Ingest
from everloop.tracking.records import Point
from everloop.tracking.wire import Whole, decode_record

MSGPACK = "application/msgpack"
MOST = 10_000  # points of one body of JSON


class PointBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric's value; ``at`` is milliseconds since 1970, by default now."""

    key: str
    value: float | Literal["NaN", "Infinity", "-Infinity"]
    step: Whole = 0
    at: Whole | None = None


class LogBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it is kept, or nothing. A param is written once, of a tag the last value wins."""

    points: list[PointBody] = []
    params: dict[str, Any] = {}
    tags: dict[str, Any] = {}


class Logged(msgspec.Struct, frozen=True):
    """``new`` is False for a client's record that was kept before."""

    new: bool


_decode = json_decoder(LogBody)


def log(call: Call) -> Logged:
    """What is answered is kept: in the database, in a committed transaction."""
    run = call.path["run"]
    if call.request.headers.get("content-type", "").partition(";")[0].strip() == MSGPACK:
        new = _keep_record(call, run)
    else:
        _keep(call, run, _decode(call.body))
        new = True
    call.context.live.notify(run)
    return Logged(new)


def _keep_record(call: Call, run: str) -> bool:
    record = decode_record(call.body)
    if record.run != run:
        raise InvalidInput(f"run: got {record.run!r} in the body of a request to {run!r}.")
    return Ingest(call.project.runs).keep(record)


def _keep(call: Call, run: str, body: LogBody) -> None:
    if len(body.points) > MOST:
        raise InvalidInput(
            f"points: got {len(body.points)}, expected at most {MOST} in a request.", path="points"
        )
    now = now_ms()
    points = [
        Point(p.key, _number(p.value), now if p.at is None else p.at, p.step) for p in body.points
    ]
    call.project.runs.log(run, points=points, params=body.params, tags=body.tags)


def _number(value: float | str) -> float:
    return float(value)  # Python reads the three words too
