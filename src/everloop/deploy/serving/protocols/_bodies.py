"""What the protocols of others share: envelopes around rows, and errors in one sentence."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

from everloop.deploy.serving.http import JSON, Response, status_of
from everloop.deploy.serving.inputs import Body, InputReader, Rows
from everloop.errors import EverloopError, InvalidInput, invalid

E = TypeVar("E")

MOST_SAID = 300  # characters of what a decoder says, which may repeat what it was sent

# The first thing in a list tells rows with names from rows without.
_FIRST = re.compile(rb"\s*\[\s*(.)", re.DOTALL)
_LISTED = ("image", "sequence")  # kinds whose values are lists themselves


def envelope(decoder: msgspec.json.Decoder[E], body: bytes) -> E:
    """Decode what stands around the rows.

    Clients of these protocols write missing numbers as ``NaN``, which is no JSON; it is read as
    null. Raises :class:`~everloop.errors.InvalidInput`.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        path = place.strip("`") or "$"
        said = message[:MOST_SAID]
        raise InvalidInput(f"{path}: {said}.", code="mistyped_body", path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if b"NaN" not in body:
            raise _not_json(body, error) from None
    return envelope(decoder, _without_nan(body))


def read_instances(raw: Body, reader: InputReader, root: str) -> Rows:
    """Rows with names, without names, or bare values for a model of one feature."""
    body = bytes(raw)
    if b'"b64"' in body:
        body = msgspec.json.encode(_unwrapped(msgspec.json.decode(body)))
    found = _FIRST.match(body)
    first = found[1] if found else b""
    features = reader.schema.features
    if len(features) == 1 and first not in (b"{", b"]", b""):
        value_is_list = features[0].kind in _LISTED
        if first != b"[" or value_is_list:
            return reader.from_columns({features[0].name: msgspec.json.decode(body)}, root)
    if first == b"[":
        return reader.read_lists(body, root)
    return reader.read(body, root)


def sentence_response(error: EverloopError, request: str) -> Response:
    """``{"error": "one sentence"}``, as KServe and TensorFlow Serving say it, and 400 for 422."""
    status = status_of(error)
    body = {"error": error.message, "code": error.code, "path": error.path, "request": request}
    return refused(400 if status == 422 else status, body, request)


def refused(status: int, body: dict[str, Any], request: str) -> Response:
    """An error in a protocol's own form, with the headers that belong to its status."""
    headers = [JSON, ("x-request-id", request)]
    if status == 401:
        headers.append(("www-authenticate", "Bearer"))
    if status in (429, 503):
        headers.append(("retry-after", "1"))
    given = {key: value for key, value in body.items() if value is not None}
    return Response(status, msgspec.json.encode(given), headers)


def _without_nan(body: bytes) -> bytes:
    try:
        return msgspec.json.encode(json.loads(body, parse_constant=_constant))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise _not_json(body, error) from None


def _constant(word: str) -> None:
    if word != "NaN":
        raise invalid(
            "body", f"<{word}>", "finite numbers, or NaN for a missing one", code="not_finite",
            path="$",
        )  # fmt: skip


def _not_json(body: bytes, error: Exception) -> InvalidInput:
    got = f"<{len(body)} bytes>" if body.strip() else "<an empty body>"
    said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return invalid("body", got, f"valid JSON ({said})", code="invalid_json", path="$")


def _unwrapped(value: Any) -> Any:
    """``{"b64": "..."}`` is how these protocols write bytes; the text in it is what we read."""
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            return value["b64"]
        return {name: _unwrapped(one) for name, one in value.items()}
    return [_unwrapped(one) for one in value] if isinstance(value, list) else value
