"""everloop's own protocol: records or columns in, ``{"y_pred": [...]}`` out, and feedback."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import msgspec

from everloop.data.schema import Schema
from everloop.data.segments import FeedbackRecord
from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.core import Answer
from everloop.deploy.serving.http import JSON, Request, Response, json_response
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.deploy.serving.openapi import EVENTS
from everloop.deploy.serving.protocols.streaming import Streaming
from everloop.deploy.serving.routing import Route
from everloop.errors import InvalidInput, invalid

PARTS = ("probabilities", "quantiles", "id", "version")  # what ?include= may name

_encode = msgspec.json.Encoder().encode


class Label(msgspec.Struct, forbid_unknown_fields=True):
    """One item of feedback."""

    id: str | int
    label: str | int | float | bool | list[str]


_labels = msgspec.json.Decoder(list[Label])


class Native:
    """The routes of the protocol."""

    def __init__(self, asking: Asking, streaming: Streaming) -> None:
        self._asking, self._streaming = asking, streaming

    def routes(self) -> list[Route]:
        """By name, and short for an endpoint that is alone."""
        return [
            Route("POST", f"{start}/{verb}", handler, endpoint=True)
            for start in ("", "/endpoints/{name}")
            for verb, handler in (("predict", self.predict), ("feedback", self.feedback))
        ]

    async def predict(self, request: Request) -> Response:
        """``POST /endpoints/NAME/predict?include=probabilities,quantiles,id,version``"""
        if EVENTS in request.headers.get("accept", ""):
            return await self._streaming.predict(request)
        parts = _included(request) if request.query else ()
        body = await self._asking.body(request)
        found = await self._asking.answer(request, partial(_read, body), len(body))
        return Response(
            200, _encode(_shaped(found.answer, parts)), [JSON, *found.headers], found.after
        )

    async def feedback(self, request: Request) -> Response:
        """``POST /endpoints/NAME/feedback`` with ``[{"id": ..., "label": ...}]``"""
        endpoint = request.asked_endpoint()
        labels = read_labels(
            await self._asking.body(request), endpoint.champion.model.predictor.schema
        )
        await self._asking.core.journal.feedback(
            FeedbackRecord(
                at=int(time.time() * 1000),
                endpoint=endpoint.name,
                ids=[str(item.id) for item in labels],
                labels=[item.label for item in labels],
            )
        )
        return json_response({"accepted": len(labels)})


def read_labels(body: bytes, schema: Schema) -> list[Label]:
    """Decode feedback and check each label against the schema. Raises InvalidInput."""
    try:
        labels = _labels.decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        place = path.strip("`") or "$"
        raise InvalidInput(
            f'{place}: {message[0].lower()}{message[1:300]}; expected [{{"id": …, "label": …}}].',
            code="invalid_feedback", path=place,
        ) from None  # fmt: skip
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(
            "body", f"<{len(body)} bytes>", f"valid JSON ({error})", code="invalid_json", path="$"
        ) from None
    if not labels:
        raise invalid("$", "<no labels>", "at least one label", code="empty", path="$")
    for row, item in enumerate(labels):
        _check_label(item.label, schema, f"$[{row}].label")
    return labels


def _check_label(label: Any, schema: Schema, path: str) -> None:
    if schema.numeric_labels:
        if isinstance(label, bool) or not isinstance(label, int | float):
            raise invalid(path, label, "a number", code="mistyped_label", path=path)
        return
    if schema.task == "multilabel":
        _check_several(label, schema, path)
        return
    same = (label == c and isinstance(label, bool) is isinstance(c, bool) for c in schema.classes)
    if not any(same):
        shown = ", ".join(repr(c) for c in schema.classes[:10])
        raise invalid(path, label, f"one of the classes {shown}", code="unknown_class", path=path)


def _check_several(label: Any, schema: Schema, path: str) -> None:
    """A list of labels, empty where the row has none."""
    if not isinstance(label, list):
        raise invalid(path, label, "a list of labels", code="mistyped_label", path=path)
    for place, one in enumerate(label):
        if one not in schema.classes:
            shown = ", ".join(repr(c) for c in schema.classes[:10])
            at = f"{path}[{place}]"
            raise invalid(at, one, f"one of the labels {shown}", code="unknown_class", path=at)


def _read(body: bytes, reader: InputReader) -> Rows:
    return reader.read(body)


def _shaped(answer: Answer, parts: tuple[str, ...]) -> dict[str, Any]:
    shaped: dict[str, Any] = {"y_pred": answer.y}
    if "probabilities" in parts and answer.p is not None:
        shaped["probabilities"] = answer.shares
    if "quantiles" in parts and answer.p is not None:
        shaped["quantiles"] = answer.shares
    if "id" in parts:
        shaped["id"] = answer.ids
    if "version" in parts:
        shaped["version"] = answer.version
    return shaped


def _included(request: Request) -> tuple[str, ...]:
    parameters = request.parameters()
    for name in parameters:
        if name != "include":
            raise invalid(f"query.{name}", name, '"include"', code="unknown_parameter")
    parts = tuple(part for part in parameters.get("include", "").split(",") if part)
    for part in parts:
        if part not in PARTS:
            raise invalid("query.include", part, "some of " + ", ".join(PARTS))
    return parts
