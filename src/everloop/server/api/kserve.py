"""CloudEvents of KServe's payload logger, in the forms that HTTP carries them in."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from everloop.errors import invalid
from everloop.loop.kserve import Event, Taken, take
from everloop.server.call import Call
from everloop.server.routing import json_decoder

QUERY = ("component",)
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


class Envelope(msgspec.Struct, frozen=True):
    """An event in structured mode; attributes that are not named here do not matter."""

    id: str
    type: str
    specversion: str = "1.0"
    time: datetime | None = None
    component: str = ""
    endpoint: str = ""
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


_one: Any = json_decoder(Envelope)
_many: Any = json_decoder(list[Envelope])


def take_events(call: Call) -> Taken:
    """Events in binary mode (attributes in headers), structured mode, or a batch of the latter."""
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytes(call.body)
    if kind == BATCH:
        events = [_opened(one) for one in _many(body)]
    elif kind == STRUCTURED:
        events = [_opened(_one(body))]
    else:
        events = [_from_headers(call, body)]
    component = call.query.get("component", "predictor")
    return take(call.project, call.path["endpoint"], events, component)


def _opened(one: Envelope) -> Event:
    data = bytes(one.data)
    if one.data_base64 is not None:
        try:
            data = base64.b64decode(one.data_base64, validate=True)
        except binascii.Error:
            raise invalid("data_base64", one.data_base64[:60], "base64") from None
    elif data.startswith(b'"'):  # JSON that its sender took for text
        data = msgspec.json.decode(data, type=str).encode()
    return Event(one.id, one.type, data, one.time, one.component, one.endpoint)


def _from_headers(call: Call, body: bytes) -> Event:
    def said(name: str) -> str:
        # Older loggers put some of them into quotes; the specification escapes by percent.
        return unquote(call.request.headers.get(f"ce-{name}", "")).strip('"')

    for name in ("id", "type"):
        if not said(name):
            raise invalid(
                f"ce-{name}", "<nothing>", "an attribute of a CloudEvent",
                fix=f"Send it as a header, or all of the event as {STRUCTURED}.",
            )  # fmt: skip
    time = None
    if said("time"):
        try:
            time = msgspec.convert(said("time"), datetime)
        except msgspec.ValidationError:
            raise invalid("ce-time", said("time"), "a time such as 2024-05-01T12:00:00Z") from None
    return Event(said("id"), said("type"), body, time, said("component"), said("endpoint"))
