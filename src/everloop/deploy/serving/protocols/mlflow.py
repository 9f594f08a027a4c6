"""The protocol of ``mlflow models serve``: ``POST /invocations``.

JSON holds exactly one of ``dataframe_split``, ``dataframe_records``, ``instances`` and ``inputs``;
CSV has a line of names. It is answered with ``{"predictions": [...]}``. ``params`` are read and,
as by MLflow, mean nothing to a model that takes none.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally
"""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any

import msgspec

from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.http import JSON, TEXT, Request, Response, status_of
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.deploy.serving.openapi import (
    columns_of,
    described,
    fields,
    label_of,
    listed,
    record_of,
)
from everloop.deploy.serving.protocols._bodies import envelope, read_instances, refused
from everloop.deploy.serving.routing import Handler, Route
from everloop.errors import EverloopError, InvalidInput, Unavailable, invalid
from everloop.version import __version__

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CONTENT_TYPES = ("application/json", "text/csv")

_encode = msgspec.json.Encoder().encode
_ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "RESOURCE_EXHAUSTED",
    503: "TEMPORARILY_UNAVAILABLE",
}


class Split(msgspec.Struct):
    """A data frame as pandas' ``orient="split"`` writes it; the index means nothing here."""

    data: list[list[Any]]
    columns: list[str] | None = None
    index: list[Any] | None = None


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request in JSON."""

    dataframe_split: Split | msgspec.UnsetType = msgspec.UNSET
    dataframe_records: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    params: dict[str, Any] | None = None


_asked = msgspec.json.Decoder(Asked)


class MLflow:
    """The routes of the protocol."""

    def __init__(self, asking: Asking, fleet: Fleet) -> None:
        self._asking = asking
        self._fleet = fleet

    def routes(self) -> list[Route]:
        """For the endpoint that is alone, and by name."""

        def route(method: str, path: str, handler: Handler, public: bool = False) -> Route:
            endpoint = method == "POST"
            describe = _described if endpoint else None
            return Route(method, path, handler, endpoint, public, mlflow_error, describe)

        return [
            route("GET", "/ping", self.ping, public=True),
            route("GET", "/version", self.version, public=True),
            route("POST", "/invocations", self.invocations),
            route("POST", "/endpoints/{name}/invocations", self.invocations),
        ]

    async def ping(self, request: Request) -> Response:
        """200 once every wanted endpoint answers."""
        if not self._fleet.ready:
            raise Unavailable("Not every endpoint answers yet.", code="not_ready")
        return Response(200, b"\n", [JSON])

    async def version(self, request: Request) -> Response:
        """The version of this server."""
        return Response(200, __version__.encode(), [TEXT])

    async def invocations(self, request: Request) -> Response:
        """``POST /invocations``"""
        kind = _content_type(request)
        body = await self._asking.body(request)
        read = partial(_read_csv, body) if kind == "text/csv" else partial(_read, _one_form(body))
        found = await self._asking.answer(request, read, len(body))
        predictions = _encode({"predictions": found.answer.y})
        return Response(200, predictions, [JSON, *found.headers], found.after)


def mlflow_error(error: EverloopError, request: str) -> Response:
    """An error as MLflow says it: ``{"error_code": "BAD_REQUEST", "message": "..."}``."""
    status = status_of(error)
    status = 400 if status == 422 else status
    code = _ERROR_CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    return refused(status, {"error_code": code, "message": error.message}, request)


def _described(endpoint: LiveEndpoint) -> dict[str, Any]:
    """Body and answer for OpenAPI: the four forms in JSON, and CSV."""
    records, columns = listed(record_of(endpoint)), columns_of(endpoint)
    names = [feature.name for feature in endpoint.champion.model.reader.schema.features]
    split = fields(
        {"columns": listed({"enum": names}), "data": listed({"type": "array"})}, "data"
    )  # fmt: skip
    forms = {
        "dataframe_split": split, "dataframe_records": records,
        "instances": {"anyOf": [records, listed({"type": "array"})]}, "inputs": columns,
    }  # fmt: skip
    bodies = {
        CONTENT_TYPES[0]: {"anyOf": [fields({form: forms[form]}, form) for form in FORMS]},
        CONTENT_TYPES[1]: {"type": "string"},
    }
    return described(bodies, fields({"predictions": listed(label_of(endpoint))}, "predictions"))


def _content_type(request: Request) -> str:
    """The media type; JSON when none is given. Raises InvalidInput (415)."""
    text = request.headers.get("content-type", "application/json")
    kind, _, parameters = text.partition(";")
    kind = kind.strip().lower()
    charset = parameters.strip().lower().removeprefix("charset=").strip('"') or "utf-8"
    # What curl sends of itself stands for "nothing was said".
    if kind == "application/x-www-form-urlencoded":
        kind = CONTENT_TYPES[0]
    if kind not in CONTENT_TYPES or charset not in ("utf-8", "utf8"):
        raise InvalidInput(
            f"content-type: got {text[:80]!r}, expected {' or '.join(CONTENT_TYPES)} in UTF-8.",
            code="unsupported_media_type", path="content-type", got=text[:80],
        )  # fmt: skip
    return kind


def _one_form(body: bytes) -> Asked:
    asked = envelope(_asked, body)
    given = [name for name in FORMS if getattr(asked, name) is not msgspec.UNSET]
    if len(given) != 1:
        got = " and ".join(given) or "<none>"
        raise invalid("$", got, "exactly one of " + ", ".join(FORMS), path="$")
    return asked


def _read(asked: Asked, reader: InputReader) -> Rows:
    if asked.dataframe_split is not msgspec.UNSET:
        return _read_split(asked.dataframe_split, reader)
    if asked.dataframe_records is not msgspec.UNSET:
        return reader.read(asked.dataframe_records, "$.dataframe_records")
    if asked.instances is not msgspec.UNSET:
        return read_instances(asked.instances, reader, "$.instances")
    assert asked.inputs is not msgspec.UNSET
    if bytes(asked.inputs).lstrip()[:1] == b"{":
        return reader.read(asked.inputs, "$.inputs")
    return read_instances(asked.inputs, reader, "$.inputs")


def _read_split(split: Split, reader: InputReader) -> Rows:
    root = "$.dataframe_split"
    if split.columns is None:
        return reader.read_lists(_encode(split.data), f"{root}.data")
    if len(set(split.columns)) < len(split.columns):
        raise invalid(f"{root}.columns", split.columns, "each name once", code="repeated_column")
    for row, values in enumerate(split.data):
        if len(values) != len(split.columns):
            path = f"{root}.data[{row}]"
            expected = f"{len(split.columns)} values, as there are columns"
            raise invalid(path, f"<{len(values)} values>", expected, code="unequal_columns")
    columns = [list(values) for values in zip(*split.data, strict=True)]
    if not columns:
        columns = [[] for _ in split.columns]
    return reader.from_columns(dict(zip(split.columns, columns, strict=True)), root)


def _read_csv(body: bytes, reader: InputReader) -> Rows:
    """Text becomes what the schema says; an empty cell is a missing value."""
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(lines, [])
        table = [line for line in lines if line]
    except (csv.Error, UnicodeDecodeError) as error:
        raise invalid(
            "body", f"<{len(body)} bytes>", f"CSV in UTF-8 ({error})", code="invalid_csv", path="$"
        ) from None
    for number, line in enumerate(table):
        if len(line) != len(names):
            path = f"$[{number}]"
            expected = f"{len(names)} values, as the first line has"
            raise invalid(path, f"<{len(line)} values>", expected, code="unequal_columns")
    kinds = {feature.name: feature.kind for feature in reader.schema.features}
    columns = {
        name: [_cell(line[place], kinds.get(name, "category")) for line in table]
        for place, name in enumerate(names)
    }
    return reader.from_columns(columns)


def _cell(text: str, kind: str) -> Any:
    """A cell as JSON would have it; what cannot be read stays text, and is refused as such."""
    if text == "":
        return None
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            return text
    if kind == "boolean":
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    return text
