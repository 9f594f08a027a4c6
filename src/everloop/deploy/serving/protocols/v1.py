"""The REST protocol that KServe calls v1 and TensorFlow Serving has: rows in, predictions out.

``{"instances": [...]}`` holds rows, with names or in the order of the schema, and is answered with
``{"predictions": [...]}``; ``{"inputs": {...}}`` holds columns and is answered with ``{"outputs":
[...]}``. ``signature_name`` chooses what is answered: ``serving_default`` (or ``predict``) labels
and numbers, ``predict_proba`` probabilities.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol and
https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from everloop.data.schema import Schema
from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.core import Answer
from everloop.deploy.serving.endpoint import LiveArm, LiveEndpoint
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.http import JSON, Request, Response, json_response
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.deploy.serving.openapi import (
    columns_of,
    described,
    fields,
    label_of,
    listed,
    record_of,
)
from everloop.deploy.serving.protocols._bodies import envelope, read_instances, sentence_response
from everloop.deploy.serving.protocols.v2 import arm_of
from everloop.deploy.serving.routing import Handler, Route
from everloop.errors import InvalidInput, NotFound, invalid

LABELS = ("serving_default", "predict")
PROBABILITIES = "predict_proba"

_encode = msgspec.json.Encoder().encode
_DTYPES = {"number": "DT_DOUBLE", "boolean": "DT_BOOL", "image": "DT_UINT8"}


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request; exactly one of ``instances`` and ``inputs`` is given."""

    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    signature_name: str = LABELS[0]
    parameters: dict[str, Any] | None = None  # KServe's clients may send some; none is known


_asked = msgspec.json.Decoder(Asked)


class V1:
    """The routes of the protocol."""

    def __init__(self, asking: Asking, fleet: Fleet) -> None:
        self._asking = asking
        self._fleet = fleet

    def routes(self) -> list[Route]:
        """By model, by version and by label, which is an arm's role."""

        def route(method: str, path: str, handler: Handler, endpoint: bool = True) -> Route:
            return Route(method, path, handler, endpoint=endpoint, error=sentence_response)

        model = "/v1/models/{name}"
        chosen = (model, f"{model}/versions/{{version}}", f"{model}/labels/{{label}}")
        return [
            Route("GET", "/", self.alive, public=True, error=sentence_response),
            route("GET", "/v1/models", self.models, endpoint=False),
            *(route("GET", path, self.status) for path in chosen),
            *(route("GET", f"{path}/metadata", self.metadata) for path in chosen),
            *(
                route("POST", f"{path}:predict", self.predict)._replace(describe=_described)
                for path in chosen
            ),
        ]

    async def alive(self, request: Request) -> Response:
        """``GET /``: how KServe asks whether a server of this protocol runs."""
        return json_response({"status": "alive"})

    async def models(self, request: Request) -> Response:
        """``GET /v1/models``: the names."""
        return json_response({"models": list(self._fleet.arms)})

    async def status(self, request: Request) -> Response:
        """``GET /v1/models/M``: whether it answers, in both protocols' words."""
        endpoint = request.asked_endpoint()
        arm = _named(request, endpoint)
        versions = [
            {
                "version": str(one.version),
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for one in ([arm] if arm else endpoint.arms)
        ]
        return json_response(
            {"name": endpoint.name, "ready": True, "model_version_status": versions}
        )

    async def metadata(self, request: Request) -> Response:
        """``GET /v1/models/M/metadata``: names, types and shapes of inputs and outputs."""
        endpoint = request.asked_endpoint()
        arm = _named(request, endpoint) or endpoint.champion
        signature = _signature(arm.model.reader.schema)
        return json_response(
            {
                "model_spec": {
                    "name": endpoint.name, "signature_name": "", "version": str(arm.version),
                },
                "metadata": {"signature_def": {"signature_def": {LABELS[0]: signature}}},
            }
        )  # fmt: skip

    async def predict(self, request: Request) -> Response:
        """``POST /v1/models/M[/versions/V|/labels/L]:predict``"""
        endpoint = request.asked_endpoint()
        arm = _named(request, endpoint)
        body = await self._asking.body(request)
        asked = envelope(_asked, body)
        given = [
            name for name in ("instances", "inputs") if getattr(asked, name) is not msgspec.UNSET
        ]
        if len(given) != 1:
            expected = 'exactly one of "instances" and "inputs"'
            raise invalid("$", " and ".join(given) or "<neither>", expected, path="$")
        _check_signature(asked.signature_name, (arm or endpoint.champion).model.reader.schema)
        read = partial(_read, asked)
        version = None if arm is None else arm.version
        found = await self._asking.answer(request, read, len(body), version)
        name = "predictions" if asked.instances is not msgspec.UNSET else "outputs"
        answers = _answers(found.answer, asked.signature_name)
        return Response(200, _encode({name: answers}), [JSON, *found.headers], found.after)


def _described(endpoint: LiveEndpoint) -> dict[str, Any]:
    """Body and answer for OpenAPI."""
    rows = {"anyOf": [listed(record_of(endpoint)), listed({"type": "array"})]}
    signature = {"enum": [*LABELS, PROBABILITIES]}
    by_rows = fields({"instances": rows, "signature_name": signature}, "instances")
    by_columns = fields({"inputs": columns_of(endpoint), "signature_name": signature}, "inputs")
    answers = {"type": "array", "items": {"anyOf": [label_of(endpoint), {"type": "array"}]}}
    answer = {"type": "object", "properties": {"predictions": answers, "outputs": answers}}
    return described({"application/json": {"anyOf": [by_rows, by_columns]}}, answer)


def _read(asked: Asked, reader: InputReader) -> Rows:
    if asked.instances is not msgspec.UNSET:
        return read_instances(asked.instances, reader, "$.instances")
    assert asked.inputs is not msgspec.UNSET
    body = bytes(asked.inputs)
    if body.lstrip()[:1] == b"[":
        return read_instances(body, reader, "$.inputs")
    return reader.read(body, "$.inputs")


def _check_signature(signature: str, schema: Schema) -> None:
    """Refuse what cannot be answered before the model is asked. Raises InvalidInput."""
    if signature in LABELS:
        return
    if signature != PROBABILITIES:
        expected = ", ".join((*LABELS, PROBABILITIES))
        raise invalid("$.signature_name", signature[:100], f"one of {expected}")
    if not (schema.classes or schema.quantiles):
        raise InvalidInput(
            f"$.signature_name: got {signature!r}, but the model answers numbers.",
            code="no_probabilities", path="$.signature_name",
        )  # fmt: skip


def _answers(answer: Answer, signature: str) -> list[Any]:
    shares = None if signature in LABELS else answer.shares
    return answer.y if shares is None else shares


def _named(request: Request, endpoint: LiveEndpoint) -> LiveArm | None:
    """The arm whose version or label stands in the path."""
    label = request.params.get("label")
    if label is None:
        return arm_of(request.params.get("version"), endpoint)
    for arm in endpoint.arms:
        if arm.role == label:
            return arm
    known = ", ".join(dict.fromkeys(arm.role for arm in endpoint.arms))
    raise NotFound(
        f"label: got {label[:40]!r}, expected one that {endpoint.name!r} has: {known}.",
        code="label_not_found", path="label", got=label[:40],
    )  # fmt: skip


def _signature(schema: Schema) -> dict[str, Any]:
    inputs = {
        feature.name: _tensor(
            feature.name,
            _DTYPES.get(feature.kind, "DT_STRING"),
            feature.shape if feature.kind in ("image", "sequence") else (),
        )
        for feature in schema.features
    }
    first = schema.classes[0] if schema.classes else 0.0
    dtype = {str: "DT_STRING", bool: "DT_BOOL", int: "DT_INT64"}.get(type(first), "DT_DOUBLE")
    shape = (-1,) if schema.task == "multilabel" else ()  # any number of labels
    outputs = {"predictions": _tensor("predictions", dtype, shape)}
    return {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}


def _tensor(name: str, dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in (-1, *shape)]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": name}
