"""The Open Inference Protocol, also called v2, over gRPC.

The same tensors as over REST (:mod:`everloop.deploy.serving.protocols.v2`). The metadata of a call
may hold ``x-request-id``, ``x-everloop-key`` and, where a token guards the server,
``authorization: Bearer TOKEN``. Needs the extra ``grpc``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from everloop.deploy.serving.access import Access
from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.core import Answer, Call
from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.http import request_id, status_of
from everloop.deploy.serving.protocols import repository
from everloop.deploy.serving.protocols._rpc_messages import MESSAGES, SERVICE
from everloop.deploy.serving.protocols._tensors import (
    MOST_TENSORS,
    Tensor,
    check_outputs,
    check_shape,
    from_bytes,
    from_values,
    metadata,
    outputs,
    read_tensors,
    to_bytes,
    to_values,
)
from everloop.deploy.serving.protocols.v2 import EXTENSIONS, PLATFORM, arm_of
from everloop.deploy.serving.seen import Seen, Watch
from everloop.errors import EverloopError, MissingExtra, Unavailable, invalid
from everloop.version import __version__

try:
    import grpc
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise MissingExtra("gRPC", "grpc") from error

Handler = Callable[[Any, "grpc.aio.ServicerContext"], Awaitable[Any]]

_log = logging.getLogger(__name__)
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class Rpc:
    """The service, and the server that offers it."""

    def __init__(
        self,
        asking: Asking,
        fleet: Fleet,
        access: Access,
        watch: Watch,
        shares_port: bool = False,
    ) -> None:
        self._shares_port = shares_port  # with others that the kernel deals calls to
        self._asking = asking
        self._fleet = fleet
        self._access = access
        self._watch = watch
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises :class:`~everloop.errors.Unavailable`."""
        limit = [("grpc.max_receive_message_length", self._asking.max_body + (64 << 10))]
        self._server = grpc.aio.server(
            options=[*limit, ("grpc.so_reuseport", int(self._shares_port))]
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, self._methods())
        self._server.add_generic_rpc_handlers((handler,))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound: int = self._server.add_insecure_port(address)
        except RuntimeError:
            raise Unavailable(
                f"grpc_port: {address} cannot be bound.",
                code="address_in_use", path="grpc_port", got=port,
                fix="Choose another with --grpc-port.",
            ) from None  # fmt: skip
        await self._server.start()
        return bound

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and give those under way so long."""
        if self._server is not None:
            await self._server.stop(seconds)

    def _methods(self) -> dict[str, Any]:
        """Each method of the service with its handler, public or not."""
        table: dict[str, tuple[Handler, bool]] = {
            "ServerLive": (self.server_live, True),
            "ServerReady": (self.server_ready, True),
            "ModelReady": (self.model_ready, False),
            "ServerMetadata": (self.server_metadata, False),
            "ModelMetadata": (self.model_metadata, False),
            "ModelInfer": (self.model_infer, False),
            "RepositoryIndex": (self.repository_index, False),
            "RepositoryModelLoad": (self.repository_load, False),
            "RepositoryModelUnload": (self.repository_unload, False),
        }
        return {
            name: grpc.unary_unary_rpc_method_handler(
                self._guarded(name, handler, public),
                response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
            )
            for name, (handler, public) in table.items()
        }

    def _guarded(self, method: str, handler: Handler, public: bool) -> Handler:
        """The handler for those who may call it, of messages as bytes; its errors as statuses."""
        kind = MESSAGES[f"{method}Request"]

        async def answer(message: bytes, context: grpc.aio.ServicerContext) -> Any:
            started, status = time.perf_counter(), 500
            request = response = None
            try:
                if not public:
                    self._access.check_token(_given(context, "authorization"))
                request = _parsed(kind, message)
                response = await handler(request, context)
                status = 200
                return response
            except EverloopError as error:
                status = status_of(error)
                await context.abort(_CODES.get(status, grpc.StatusCode.INTERNAL), error.message)
            except grpc.aio.BaseError:
                raise
            except Exception:
                _log.exception("a call of %s failed", method)
                said = "The server failed on this request."
                await context.abort(grpc.StatusCode.INTERNAL, said)
            finally:
                version = int(getattr(response, "model_version", 0) or 0)
                self._watch.tell(
                    Seen(
                        "gRPC", f"/{SERVICE}/{method}", _id(response, request, context),
                        _name(request, self._fleet), version, status,
                        (time.perf_counter() - started) * 1000,
                        _given(context, "traceparent"), _given(context, "tracestate"),
                    )
                )  # fmt: skip

        return answer

    async def server_live(self, request: Any, context: Any) -> Any:
        """The process runs."""
        return MESSAGES["ServerLiveResponse"](live=True)

    async def server_ready(self, request: Any, context: Any) -> Any:
        """Every wanted endpoint answers."""
        return MESSAGES["ServerReadyResponse"](ready=self._fleet.ready)

    async def server_metadata(self, request: Any, context: Any) -> Any:
        """Who answers."""
        return MESSAGES["ServerMetadataResponse"](
            name="everloop", version=__version__, extensions=EXTENSIONS
        )

    async def model_ready(self, request: Any, context: Any) -> Any:
        """Whether a model answers; one that is not there does not."""
        arms = self._fleet.arms.get(request.name, ())
        versions = [str(arm.version) for arm in arms]
        ready = bool(arms) and (not request.version or request.version in versions)
        return MESSAGES["ModelReadyResponse"](ready=ready)

    async def model_metadata(self, request: Any, context: Any) -> Any:
        """Names, types and shapes."""
        endpoint = await self._fleet.asked(request.name)
        arm = arm_of(request.version or None, endpoint) or endpoint.champion
        return MESSAGES["ModelMetadataResponse"](
            name=endpoint.name,
            versions=[str(one.version) for one in endpoint.arms],
            platform=PLATFORM,
            **metadata(arm.model.reader.schema),
        )

    async def model_infer(self, request: Any, context: Any) -> Any:
        """Tensors in, tensors out; raw ones for raw ones."""
        started = time.perf_counter()
        endpoint = await self._fleet.asked(request.model_name)
        arm = arm_of(request.model_version or None, endpoint)
        tensors = _tensors(request)
        names = [output.name for output in request.outputs]
        check_outputs(names, (arm or endpoint.champion).model.reader.schema)
        id = request_id(_given(context, "x-request-id") or request.id)
        key = _given(context, "x-everloop-key") or id
        left = context.time_remaining()
        deadline = None if left is None else started + left
        call = Call(id, key, started, request.ByteSize(), deadline)
        version = None if arm is None else arm.version
        read = partial(read_tensors, tensors)
        answer, _, after = await self._asking.ask(endpoint, call, read, version)
        response = _response(request, endpoint, answer, id)
        if after is not None:
            after()
        return response

    async def repository_index(self, request: Any, context: Any) -> Any:
        """Every model that is wanted, and whether it answers."""
        found = repository.index(self._fleet, only_ready=request.ready)
        return MESSAGES["RepositoryIndexResponse"](models=found)

    async def repository_load(self, request: Any, context: Any) -> Any:
        """Take a model up again."""
        name = request.second or request.first
        await self._fleet.load(name)
        return MESSAGES["RepositoryModelLoadResponse"](model_name=name, isLoaded=True)

    async def repository_unload(self, request: Any, context: Any) -> Any:
        """Let a model go until it is loaded again."""
        name = request.second or request.first
        await self._fleet.unload(name)
        return MESSAGES["RepositoryModelUnloadResponse"](model_name=name, isUnloaded=True)


def _parsed(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError:
        got, expected = f"<{len(message)} bytes>", f"a message {kind.DESCRIPTOR.full_name}"
        raise invalid("$", got, expected, code="invalid_message", path="$") from None


def _given(context: Any, name: str) -> str:
    """A value of the call's metadata; empty when there is none."""
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return value if isinstance(value, str) else value.decode("latin-1")
    return ""


def _id(response: Any, request: Any, context: Any) -> str:
    """Of a call: what its answer says, else what it or its metadata says."""
    given = getattr(response, "id", "") or _given(context, "x-request-id")
    return str(given or getattr(request, "id", ""))[:128]


def _name(request: Any, fleet: Fleet) -> str:
    name = getattr(request, "model_name", getattr(request, "name", ""))
    return name if name in fleet.endpoints else ""


def _tensors(request: Any) -> list[Tensor]:
    if not 1 <= len(request.inputs) <= MOST_TENSORS:
        got = f"<{len(request.inputs)} tensors>"
        raise invalid("$.inputs", got, f"1 to {MOST_TENSORS} tensors", path="$.inputs")
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        got, expected = f"<{len(raw)} tensors>", f"{len(request.inputs)}, one for each input"
        raise invalid("$.raw_input_contents", got, expected, code="wrong_size")
    return [
        _tensor(one, memoryview(raw[place]) if raw else None, f"$.inputs[{place}]")
        for place, one in enumerate(request.inputs)
    ]


def _tensor(one: Any, raw: memoryview | None, path: str) -> Tensor:
    shape = check_shape(one.shape, one.datatype, path)
    if raw is not None:
        return from_bytes(one.name, one.datatype, shape, raw, path)
    wanted = _CONTENTS.get(one.datatype)
    used = [field.name for field, _ in one.contents.ListFields()]
    if wanted is None or used not in ([], [wanted]):
        got = ", ".join(used) or "<nothing>"
        expected = f"raw_input_contents for {one.datatype}" if wanted is None else wanted
        raise invalid(f"{path}.contents", got, expected, code="mistyped_data")
    values: list[Any] = list(getattr(one.contents, wanted))
    if one.datatype == "BYTES":
        values = [_text(value, path) for value in values]
    return from_values(one.name, one.datatype, shape, values, path)


def _text(value: bytes, path: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise invalid(f"{path}.contents", "<bytes>", "UTF-8 text", code="not_utf8") from None


def _response(request: Any, endpoint: LiveEndpoint, answer: Answer, id: str) -> Any:
    known = outputs(answer, endpoint.arm(answer.version).model.reader.schema)
    names = [output.name for output in request.outputs] or list(known)
    response = MESSAGES["ModelInferResponse"](
        model_name=endpoint.name, model_version=str(answer.version), id=id
    )
    for name in names:
        tensor = known[name]
        output = response.outputs.add(name=name, datatype=tensor.datatype, shape=list(tensor.shape))
        if request.raw_input_contents:
            response.raw_output_contents.append(to_bytes(tensor))
        else:
            field = getattr(output.contents, _CONTENTS[tensor.datatype])
            texts = tensor.datatype == "BYTES"
            field.extend(str(v).encode() if texts else v for v in to_values(tensor))
    return response
