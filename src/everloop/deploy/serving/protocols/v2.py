"""The Open Inference Protocol, also called v2, over REST: tensors in, tensors out.

A model's inputs are its columns, one tensor each, of shape ``[rows]`` or ``[rows, 1]``; a single
tensor of any other name holds all columns, ``[rows, columns]``, in the schema's order. Outputs are
``predict`` and, of a model that knows them, ``predict_proba`` (of a quantile model its quantiles).
Tensors may travel as raw bytes behind the JSON (the binary tensor data extension).

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.core import Answer
from everloop.deploy.serving.endpoint import LiveArm, LiveEndpoint
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.http import JSON, Request, Response, json_response
from everloop.deploy.serving.openapi import described, fields, listed
from everloop.deploy.serving.protocols._bodies import envelope, sentence_response
from everloop.deploy.serving.protocols._tensors import (
    MOST_TENSORS,
    Tensor,
    check_outputs,
    check_shape,
    from_bytes,
    from_json,
    metadata,
    outputs,
    read_tensors,
    to_bytes,
    to_values,
)
from everloop.deploy.serving.routing import Handler, Route
from everloop.errors import Unavailable, invalid
from everloop.version import __version__

HEADER_LENGTH = "inference-header-content-length"
OCTETS = ("content-type", "application/octet-stream")
PLATFORM = "everloop_onnx"
EXTENSIONS = ["binary_tensor_data", "model_repository"]

_encode = msgspec.json.Encoder().encode


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """One tensor of a request."""

    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """One output that a request asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Infer(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON of a request."""

    inputs: list[Input]
    id: str | None = None
    model_name: str | None = None  # KServe's clients repeat what the path says
    model_version: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


_infer = msgspec.json.Decoder(Infer)


class V2:
    """The routes of the protocol."""

    def __init__(self, asking: Asking, fleet: Fleet) -> None:
        self._asking = asking
        self._fleet = fleet

    def routes(self) -> list[Route]:
        """Health of the server, metadata, and inference by model or version."""

        def route(
            method: str, path: str, handler: Handler, endpoint: bool = False, public: bool = False
        ) -> Route:
            return Route(method, path, handler, endpoint, public, sentence_response)

        model, version = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
        return [
            route("GET", "/v2", self.server),
            route("GET", "/v2/health/live", self.live, public=True),
            route("GET", "/v2/health/ready", self.ready, public=True),
            route("GET", "/v2/models", self.models),
            *(route("GET", path, self.model, True) for path in (model, version)),
            *(route("GET", f"{path}/ready", self.model_ready, True) for path in (model, version)),
            *(
                route("POST", f"{path}/infer", self.infer, True)._replace(describe=_described)
                for path in (model, version)
            ),
        ]

    async def server(self, request: Request) -> Response:
        """``GET /v2``: who answers, and what beyond the protocol."""
        said = {"name": "everloop", "version": __version__, "extensions": EXTENSIONS}
        return json_response(said)

    async def live(self, request: Request) -> Response:
        """``GET /v2/health/live``: the process runs."""
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        """``GET /v2/health/ready``: every wanted endpoint answers."""
        if not self._fleet.ready:
            raise Unavailable("Not every endpoint answers yet.", code="not_ready")
        return json_response({"ready": True})

    async def models(self, request: Request) -> Response:
        """``GET /v2/models``: the names of all, as KServe has it."""
        return json_response({"models": sorted(self._fleet.arms)})

    async def model(self, request: Request) -> Response:
        """``GET /v2/models/M``: names, types and shapes."""
        endpoint = request.asked_endpoint()
        arm = arm_of(request.params.get("version"), endpoint) or endpoint.champion
        versions = [str(one.version) for one in endpoint.arms]
        said = {"name": endpoint.name, "versions": versions, "platform": PLATFORM}
        return json_response(said | dict(metadata(arm.model.reader.schema)))

    async def model_ready(self, request: Request) -> Response:
        """``GET /v2/models/M/ready``: it answers; 404 when it does not."""
        endpoint = request.asked_endpoint()
        arm_of(request.params.get("version"), endpoint)
        return json_response({"name": endpoint.name, "ready": True})

    async def infer(self, request: Request) -> Response:
        """``POST /v2/models/M/infer``"""
        endpoint = request.asked_endpoint()
        arm = arm_of(request.params.get("version"), endpoint)
        body = await self._asking.body(request)
        asked, raw = _divided(request, body)
        tensors = _tensors(asked, raw)
        request.take_id(asked.id)
        names = [output.name for output in asked.outputs or ()]
        check_outputs(names, (arm or endpoint.champion).model.reader.schema)
        read = partial(read_tensors, tensors)
        version = None if arm is None else arm.version
        found = await self._asking.answer(request, read, len(body), version)
        schema = endpoint.arm(found.answer.version).model.reader.schema
        said, binary = _said(asked, found.answer, schema, endpoint.name, request.id)
        if not binary:
            return Response(200, said, [JSON, *found.headers], found.after)
        length = (HEADER_LENGTH, str(len(said)))
        headers = [OCTETS, length, *found.headers]
        return Response(200, b"".join((said, *binary)), headers, found.after)


def _described(endpoint: LiveEndpoint) -> dict[str, Any]:
    """Body and answer for OpenAPI; the inputs are the model's columns, or one tensor of all."""
    known = metadata(endpoint.champion.model.reader.schema)
    shape, data = listed({"type": "integer"}), {"type": "array"}

    def tensors(part: str) -> dict[str, Any]:
        return listed(
            {
                "anyOf": [
                    fields(
                        {
                            "name": {"const": one["name"]}, "shape": shape, "data": data,
                            "datatype": {"type": "string", "examples": [one["datatype"]]},
                        },
                        "name", "shape", "datatype",
                    )
                    for one in known[part]
                ]
            }
        )  # fmt: skip

    whole = fields({"name": {"type": "string"}, "shape": shape, "data": data}, "name", "shape")
    inputs = {"anyOf": [tensors("inputs"), {**listed(whole), "maxItems": 1}]}
    named = {"type": "array", "items": fields({"name": {"type": "string"}}, "name")}
    asked = fields({"id": {"type": "string"}, "inputs": inputs, "outputs": named}, "inputs")
    bodies = {"application/json": asked, OCTETS[1]: {"type": "string"}}
    return described(bodies, fields({"outputs": tensors("outputs")}, "outputs"))


def arm_of(version: str | None, endpoint: LiveEndpoint) -> LiveArm | None:
    """The arm of a version as a caller writes it; None where none is named."""
    if version is None:
        return None
    if not version.isdecimal() or len(version) > 18:
        raise invalid("version", version[:40], "a whole number")
    return endpoint.arm(int(version))


def _divided(request: Request, body: bytes) -> tuple[Infer, memoryview]:
    """The JSON in front, and the raw data behind it."""
    length = request.headers.get(HEADER_LENGTH)
    if length is None:
        return envelope(_infer, body), memoryview(b"")
    if not length.isdecimal() or len(length) > 18 or int(length) > len(body):
        raise invalid(
            "inference-header-content-length", length[:40],
            f"a whole number of at most {len(body)}, the size of the body", code="wrong_size",
        )  # fmt: skip
    return envelope(_infer, body[: int(length)]), memoryview(body)[int(length) :]


def _tensors(asked: Infer, raw: memoryview) -> list[Tensor]:
    if not 1 <= len(asked.inputs) <= MOST_TENSORS:
        got = f"<{len(asked.inputs)} tensors>"
        raise invalid("$.inputs", got, f"1 to {MOST_TENSORS} tensors", path="$.inputs")
    found = []
    for place, one in enumerate(asked.inputs):
        path = f"$.inputs[{place}]"
        shape = check_shape(one.shape, one.datatype, path)
        size = (one.parameters or {}).get("binary_data_size")
        if size is None:
            found.append(from_json(one.name, one.datatype, shape, bytes(one.data), path))
            continue
        if not isinstance(size, int) or not 0 <= size <= len(raw):
            expected = f"a whole number of at most the {len(raw)} bytes that are left"
            raise invalid(f"{path}.parameters.binary_data_size", size, expected, code="wrong_size")
        found.append(from_bytes(one.name, one.datatype, shape, raw[:size], path))
        raw = raw[size:]
    if raw:
        expected = "no more raw data than the inputs name"
        raise invalid("body", f"<{len(raw)} bytes too many>", expected, code="wrong_size", path="$")
    return found


def _said(
    asked: Infer, answer: Answer, schema: Any, name: str, request: str
) -> tuple[bytes, list[bytes]]:
    """The response's JSON, and the raw data to follow it."""
    known = outputs(answer, schema)
    raw_by_default = bool((asked.parameters or {}).get("binary_data_output"))
    wanted = [(name, raw_by_default) for name in known]
    if asked.outputs:
        wanted = []
        for output in asked.outputs:
            raw = bool((output.parameters or {}).get("binary_data", raw_by_default))
            wanted.append((output.name, raw))
    said, binary = [], []
    for output_name, as_bytes in wanted:
        tensor = known[output_name]
        one: dict[str, Any] = {
            "name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape,
        }  # fmt: skip
        if as_bytes:
            binary.append(to_bytes(tensor))
            one["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            one["data"] = to_values(tensor)
        said.append(one)
    head = {"model_name": name, "model_version": str(answer.version), "id": request}
    return _encode(head | {"outputs": said}), binary
