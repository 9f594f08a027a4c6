"""The OpenAPI document, made from the route table and the types it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from everloop import __version__
from everloop.server.routing import Route


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """One error; ``code`` is stable, ``message`` is for people."""

    code: str
    message: str
    path: str | None = None
    got: Any = None
    expected: str | None = None
    fix: str | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The form of every error."""

    error: ErrorBody


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 of a route table."""
    types = list({id(t): t for r in routes for t in (r.body, r.answer) if t is not None}.values())
    schemas, components = msgspec.json.schema_components(
        [*types, ErrorAnswer], ref_template="#/components/schemas/{name}"
    )
    found = {id(t): schema for t, schema in zip(types, schemas[:-1], strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, found, schemas[-1])
        path = route.path.replace(":path}", "}")
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "everloop", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[int, Any], error: dict[str, Any]) -> dict[str, Any]:
    answer = {} if route.answer is None else schemas[id(route.answer)]
    kind = "application/json" if route.answer is not None else route.media
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', route.path)}",
        "summary": route.summary,
        "x-permission": route.permission,
        "responses": {
            str(route.status): {
                "description": route.summary,
                "content": {kind: {"schema": answer}},
            },
            "default": {
                "description": "An error.",
                "content": {"application/json": {"schema": error}},
            },
        },
    }
    parameters = [_in("path", name) for name in re.findall(r"\{(\w+)(?::path)?\}", route.path)]
    parameters += [_in("query", name) for name in route.query]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": schemas[id(route.body)]}}
        operation["requestBody"] = {"content": content}
    if route.permission != "public":
        operation["security"] = [{"token": []}]
    return operation


def _in(place: str, name: str) -> dict[str, Any]:
    kind = "integer" if name in ("limit", "version") else "string"
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "schema": {"type": kind},
    }
