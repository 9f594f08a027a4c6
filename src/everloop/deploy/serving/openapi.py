"""The OpenAPI document: each endpoint with the schema of its champion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from everloop.data.schema import Schema
from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.inputs import InputReader
from everloop.deploy.serving.routing import Route

_ADDRESS = re.compile(r"^``[^`]*``(: |$)")  # that a handler's text may begin with

EVENTS = "text/event-stream"
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "Stable; programs may match on it."},
        "message": {"type": "string"},
        "path": {"type": "string", "examples": ["$[0].age"]},
        "got": {},
        "expected": {},
        "fix": {"type": "string"},
        "request": {"type": "string"},
    },
}
_INCLUDE = {
    "name": "include",
    "in": "query",
    "schema": {"type": "string", "examples": ["probabilities,id,version"]},
}
_KEY = {
    "name": "x-everloop-key",
    "in": "header",
    "schema": {"type": "string"},
    "description": "Requests with the same key get the same version during a rollout.",
}
_PLAIN = {
    "/health": "The process runs",
    "/ready": "Every wanted endpoint answers",
    "/metrics": "For Prometheus",
    "/endpoints": "What answers now, and what each version did",
}


def document(endpoints: Mapping[str, LiveEndpoint], routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 for what answers now: our own protocol in full, and those of others."""
    paths: dict[str, Any] = {
        path: {"get": {"summary": summary, "responses": {"200": {"description": "OK"}}}}
        for path, summary in _PLAIN.items()
    }
    schemas: dict[str, Any] = {"Error": ERROR}
    for name, endpoint in endpoints.items():
        reader = endpoint.champion.model.reader
        schemas[f"{name}.record"] = record_schema(reader)
        schemas[f"{name}.columns"] = record_schema(reader, many=True)
        predict = _predict(name, endpoint)
        feedback = _feedback(name, reader.schema)
        paths[f"/endpoints/{name}/predict"] = {"post": predict}
        paths[f"/endpoints/{name}/feedback"] = {"post": feedback}
        explained = _explain(name, endpoint)
        paths[f"/endpoints/{name}/explain"] = {"post": explained}
        if len(endpoints) == 1:
            paths["/explain"] = {"post": {**explained, "operationId": "explain"}}
            paths["/predict"] = {"post": {**predict, "operationId": "predict"}}
            paths["/feedback"] = {"post": {**feedback, "operationId": "feedback"}}
    for route in routes:
        for path, operation in _operations(route, endpoints):
            paths.setdefault(path, {}).setdefault(route.method.lower(), operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "everloop predictions", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def described(body: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Of a route: the schema of its body by media type, and that of its answer in JSON."""
    content = {media: {"schema": schema} for media, schema in body.items()}
    return {
        "parameters": [_KEY],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _json(answer, description="One answer a row")},
    }


def listed(item: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list."""
    return {"type": "array", "items": item}


def fields(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """The schema of an object."""
    return {"type": "object", "properties": properties, "required": list(required)}


def record_of(endpoint: LiveEndpoint) -> dict[str, Any]:
    """A reference to the schema of one row of an endpoint."""
    return _ref(f"{endpoint.name}.record")


def columns_of(endpoint: LiveEndpoint) -> dict[str, Any]:
    """A reference to the schema of an endpoint's columns."""
    return _ref(f"{endpoint.name}.columns")


def label_of(endpoint: LiveEndpoint) -> dict[str, Any]:
    """The schema of what the endpoint answers for a row."""
    return _label(endpoint.champion.model.reader.schema)


def event_of(endpoint: LiveEndpoint) -> dict[str, Any]:
    """The schema of the data of one server-sent event, and of a websocket's message."""
    return fields(
        {
            "row": {"type": "integer"}, "step": {"type": "integer"},
            "y_pred": label_of(endpoint), "id": {"type": "string"},
            "probabilities": _shares(endpoint.champion.model.reader.schema),
        },
        "row", "step", "y_pred", "id",
    )  # fmt: skip


def _operations(
    route: Route, endpoints: Mapping[str, LiveEndpoint]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A route's paths and operations: one for each endpoint, where it is for one."""
    if not route.endpoint:
        yield route.path, _operation(route, route.path, None)
        return
    for name, endpoint in endpoints.items():
        if "{name}" in route.path or len(endpoints) == 1:
            path = route.path.replace("{name}", name)
            yield path, _operation(route, path, endpoint)


def _operation(route: Route, path: str, endpoint: LiveEndpoint | None) -> dict[str, Any]:
    text = " ".join((route.handler.__doc__ or "").split())
    summary = _ADDRESS.sub("", text).rstrip(".") or text.strip("`")
    described_so = route.describe(endpoint) if route.describe and endpoint is not None else {}
    operation = {"responses": {"200": {"description": "OK"}}, **described_so}
    named = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    slug = re.sub(r"\W+", "_", path).strip("_")
    return {
        "operationId": f"{route.method.lower()}_{slug or 'root'}",
        "summary": summary,
        **operation,
        "parameters": [*named, *operation.get("parameters", ())],
    }


def record_schema(reader: InputReader, many: bool = False) -> dict[str, Any]:
    """JSON Schema of one record, or of a dict of columns."""
    properties = {feature.name: feature.json_schema() for feature in reader.features}
    required = list(properties)
    for role, column in reader.keys:
        what = "Kept to compare its groups" if role == "beside" else f"The row's {role}"
        properties[column] = {"description": f"{what}; the model does not read it."}
    if many:
        properties = {n: {"type": "array", "items": one} for n, one in properties.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _predict(name: str, endpoint: LiveEndpoint) -> dict[str, Any]:
    reader = endpoint.champion.model.reader
    record, columns = _ref(f"{name}.record"), _ref(f"{name}.columns")
    records = {"type": "array", "items": record, "minItems": 1}
    wrapped = {"type": "object", "properties": {"records": records}, "required": ["records"]}
    rows = {"type": "array", "items": {"type": "array"}, "minItems": 1}
    answer = {
        "type": "object",
        "required": ["y_pred"],
        "properties": {
            "y_pred": {"type": "array", "items": _label(reader.schema)},
            "probabilities": {"type": "array", "items": _shares(reader.schema)},
            "id": {"type": "array", "items": {"type": "string"}},
            "version": {"type": "integer"},
        },
    }
    return {
        "operationId": f"predict_{name}",
        "summary": f"Predict with {endpoint.model}",
        "parameters": [_INCLUDE, _KEY],
        "requestBody": _json({"anyOf": [records, record, rows, wrapped, columns]}, required=True),
        "responses": {
            "200": {
                "description": "One answer a row, or one event an answer",
                "content": {
                    "application/json": {"schema": answer},
                    EVENTS: {"schema": event_of(endpoint)},
                },
            },
            **_errors(),
        },
    }


def explanation_of(endpoint: LiveEndpoint) -> dict[str, Any]:
    """The schema of what explains one answer."""
    return {
        "type": "object",
        "required": ["y_pred", "base", "answer", "contributions"],
        "properties": {
            "y_pred": _label(endpoint.champion.model.reader.schema),
            "of": {"description": "The class whose probability is explained."},
            "base": {"type": "number"},
            "answer": {"type": "number", "description": "base plus all contributions"},
            "contributions": {"type": "object", "additionalProperties": {"type": "number"}},
        },
    }


def _explain(name: str, endpoint: LiveEndpoint) -> dict[str, Any]:
    answer = fields({"explanations": listed(explanation_of(endpoint))})
    return {
        **_predict(name, endpoint),
        "operationId": f"explain_{name}",
        "summary": f"What each feature adds to an answer of {endpoint.model}",
        "parameters": [_KEY],
        "responses": {"200": _json(answer, description="One a row"), **_errors()},
    }


def _feedback(name: str, schema: Schema) -> dict[str, Any]:
    item = {
        "type": "object",
        "required": ["id", "label"],
        "properties": {"id": {"type": ["string", "integer"]}, "label": _told(schema)},
        "additionalProperties": False,
    }
    accepted = {"type": "object", "properties": {"accepted": {"type": "integer"}}}
    return {
        "operationId": f"feedback_{name}",
        "summary": "Tell the labels of rows predicted earlier",
        "requestBody": _json({"type": "array", "items": item, "minItems": 1}, required=True),
        "responses": {"200": _json(accepted, description="Kept"), **_errors()},
    }


def _label(schema: Schema) -> dict[str, Any]:
    if schema.task == "multilabel":
        one = {"enum": list(schema.classes)}
        return {"type": "array", "items": one, "uniqueItems": True}
    return {"enum": list(schema.classes)} if schema.classes else {"type": "number"}


def _told(schema: Schema) -> dict[str, Any]:
    """A label of feedback: of a bandit a reward."""
    return {"type": "number"} if schema.numeric_labels else _label(schema)


def _shares(schema: Schema) -> dict[str, Any]:
    """Probabilities of one row: by label where there are several, else in the order of classes."""
    number = {"type": "number"}
    if schema.task != "multilabel":
        return {"type": "array", "items": number}
    labels = [str(label) for label in schema.classes]
    return {"type": "object", "properties": dict.fromkeys(labels, number), "required": labels}


def _errors() -> dict[str, Any]:
    reasons = {
        "400": "No JSON", "404": "No such endpoint", "413": "Too large",
        "422": "Not what the schema allows", "500": "The model failed",
    }  # fmt: skip
    return {code: _json(_ref("Error"), description=text) for code, text in reasons.items()}


def _json(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**more, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
