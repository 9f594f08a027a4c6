"""Mounts MLflow's protocol: its table becomes routes, its errors get their form."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from everloop.errors import EverloopError
from everloop.server.call import Context
from everloop.server.middleware._base import PRINCIPAL, ROUTE, header
from everloop.server.problems import Problem
from everloop.server.routing import Mounted, check_permission
from everloop.store.instant import Busy
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.decode import Reader
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import as_wire_error, of_status, refuse
from everloop.tracking.mlflow_api.table import ENTRIES, out_of_scope

PREFIXES = (
    "/api/2.0/",
    "/api/3.0/",
    "/ajax-api/",
    "/get-artifact",
    "/model-versions/",
    "/graphql",
)
"""Errors below these are answered in MLflow's form."""

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"


def mounted(context: Context, pool: CapacityLimiter) -> Iterator[Mounted]:
    """The protocol's routes."""
    apis = _Apis(context)
    for entry in ENTRIES:
        for path in entry.paths():
            yield Mounted(entry.method, path, MlflowEndpoint(entry, path, apis, pool))


def unknown(scope: Scope) -> Exception | None:
    """The error of a path that MLflow answers and this server doesn't mean to."""
    if not out_of_scope(scope["path"]):
        return None
    return refuse(
        "This server keeps experiments, runs and models; what MLflow has for generative models "
        "(traces, scorers, gateway and the like) is out of its scope.",
        "NOT_IMPLEMENTED",
    )


def wire_form(error: Exception, problem: Problem) -> Response:
    """``{"error_code", "message"}``."""
    if isinstance(error, EverloopError):
        status, code, message = as_wire_error(error, problem.status)
    else:
        status, code, message = of_status(problem.status, problem.error["message"])
    body = msgspec.json.encode({"error_code": code, "message": message})
    return Response(body, status, headers=problem.headers, media_type="application/json")


class MlflowEndpoint:
    """Answers one line of the table: permission, message, handler, answer, in this order."""

    def __init__(self, entry: Entry, path: str, apis: _Apis, pool: CapacityLimiter) -> None:
        self.entry = entry
        self.path = path
        self.reader = Reader(entry.message)
        self.apis = apis
        self.pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = self.entry
        scope[ROUTE] = self.path
        principal = scope[PRINCIPAL]
        check_permission(entry.method, self.path, entry.permission, principal)
        api = self.apis[principal.name]
        if entry.raw:
            response = await entry.handler(api, Request(scope, receive))
            await response(scope, receive, send)
            return
        message = await self._message(scope, receive)
        answer = self._answer_now(api, message)
        if answer is None:
            answer = await anyio.to_thread.run_sync(self._answer, api, message, limiter=self.pool)
        kind, body = answer
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", kind), (b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async def _message(self, scope: Scope, receive: Receive) -> Any:
        method, query, path = self.entry.method, scope["query_string"], scope.get("path_params")
        if method == "GET" and query:
            return self.reader.query(query, path)
        raw = await _body(receive)
        if method == "DELETE" and not raw:
            return self.reader.query(query, path)
        if method in ("POST", "PUT"):
            check_content_type(header(scope, b"content-type"))
        return self.reader.body(raw, path)

    def _answer_now(self, api: Api, message: Any) -> tuple[bytes, bytes] | None:
        """The answer, if it can be had without waiting for anything."""
        if self.entry.quick:
            return self._answer(api, message)
        if not self.entry.short:
            return None
        try:
            with api.runs.db.instantly():
                return self._answer(api, message)
        except Busy:
            return None

    def _answer(self, api: Api, message: Any) -> tuple[bytes, bytes]:
        value = self.entry.handler(api, message)
        if value is None:
            return JSON, b"{}"
        if isinstance(value, bytes):
            return TEXT, value
        return JSON, msgspec.json.encode(value)


class _Apis(dict[str, Api]):
    """The Api of each kind of caller, by the principal's name; there are few of them."""

    def __init__(self, context: Context) -> None:
        project = context.project
        self._make = functools.partial(
            Api,
            experiments=project.experiments,
            runs=project.runs,
            inputs=project.inputs,
            logged_models=project.logged_models,
            artifacts=project.artifacts,
            registry=project.registry,
            webhooks=project.webhooks,
        )

    def __missing__(self, name: str) -> Api:
        api = self[name] = self._make(actor=f"http:{name}")
        return api


async def _body(receive: Receive) -> bytes:
    """All of a request's body, which the middleware keeps below its limit."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def check_content_type(said: str | None) -> None:
    """Refuses a body that is not said to be JSON, which a page's form could send."""
    if said == "application/json":
        return
    if said is None:
        raise refuse("Bad Request. Content-Type header is missing.")
    if said.partition(";")[0].strip() != "application/json":
        raise refuse("Bad Request. Content-Type must be one of ['application/json'].")
