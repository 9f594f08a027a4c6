"""The data plane's ASGI application: one route table, and errors as JSON."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from everloop.deploy.serving.access import Access
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.http import (
    TEXT,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    error_response,
    json_response,
)
from everloop.deploy.serving.openapi import document
from everloop.deploy.serving.protocols.explaining import Explaining
from everloop.deploy.serving.protocols.native import Native
from everloop.errors import EverloopError, NotFound, nearest

ENDPOINTS = "/endpoints/"
V1_MODELS = "/v1/models/"

_log = logging.getLogger(__name__)


class Route(NamedTuple):
    """``handler`` takes the request, and the endpoint where ``per_endpoint``."""

    method: str
    handler: Callable[..., Awaitable[Response]]
    per_endpoint: bool = False
    public: bool = False  # answers without the token


class App:
    """The ASGI application over the parts made by :mod:`everloop.deploy.serving.server`."""

    def __init__(
        self,
        fleet: Fleet,
        counts: Counts,
        access: Access,
        native: Native,
        explaining: Explaining,
    ) -> None:
        self._fleet = fleet
        self._counts = counts
        self._access = access
        self._started_ms = int(time.time() * 1000)
        self._routes = {
            "/health": Route("GET", self.health, public=True),
            "/ready": Route("GET", self.ready, public=True),
            "/metrics": Route("GET", self.metrics),
            "/openapi.json": Route("GET", self.openapi),
            "/endpoints": Route("GET", self.endpoints),
            "/predict": Route("POST", native.predict, per_endpoint=True),
            "/feedback": Route("POST", native.feedback, per_endpoint=True),
            "/explain": Route("POST", explaining.explain, per_endpoint=True),
            "/endpoints/{name}/explain": Route("POST", explaining.explain, per_endpoint=True),
            "/v1/models/{name}:explain": Route("POST", explaining.explain_v1, per_endpoint=True),
            "/endpoints/{name}/predict": Route("POST", native.predict, per_endpoint=True),
            "/endpoints/{name}/feedback": Route("POST", native.feedback, per_endpoint=True),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, with JSON and a stable code."""
        request = Request(scope, receive)
        name = ""
        try:
            route, name = self._find(request)
            (self._access.check_host if route.public else self._access.check)(request)
            if request.method != route.method:
                _check_method(request, route)
            if route.per_endpoint:
                endpoint = self._fleet.get(name) if name else self._fleet.only()
                name = endpoint.name
                response = await route.handler(request, endpoint)
            else:
                response = await route.handler(request)
        except EverloopError as error:
            response = error_response(error, request.id)
        except Exception:
            _log.exception("request %s failed", request.id)
            failure = EverloopError("The server failed on this request.", code="internal")
            response = error_response(failure, request.id)
        await response.send(send)
        self._counts.response(name if name in self._fleet.endpoints else "", response.status)
        if response.after is not None:
            response.after()

    def _find(self, request: Request) -> tuple[Route, str]:
        path = request.path
        if path.startswith(ENDPOINTS):
            name, _, verb = path[len(ENDPOINTS) :].rpartition("/")
            route = self._routes.get(f"{ENDPOINTS}{{name}}/{verb}")
            if route is not None and name and "/" not in name:
                return route, name
        elif path.startswith(V1_MODELS):
            name, _, verb = path[len(V1_MODELS) :].rpartition(":")
            route = self._routes.get(f"{V1_MODELS}{{name}}:{verb}")
            if route is not None and name and "/" not in name:
                return route, name
        else:
            route = self._routes.get(path)
            if route is not None and "{" not in path:
                return route, ""
        guess = nearest(path[:200], self._routes)
        raise NotFound(
            f"There is nothing at {path[:200]!r}.",
            code="route_not_found", path=path[:200],
            fix=f"Did you mean {guess}?" if guess else "See /openapi.json.",
        )  # fmt: skip

    async def health(self, request: Request) -> Response:
        """The process runs."""
        return json_response({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Every wanted endpoint answers; 503 until then."""
        fleet = self._fleet
        body = {"ready": fleet.ready, "revision": fleet.revision, "errors": fleet.errors}
        return json_response(body, 200 if fleet.ready else 503)

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        return Response(200, self._counts.exposition(), [TEXT])

    async def openapi(self, request: Request) -> Response:
        """The document of this server with the schemas of its models."""
        return json_response(document(self._fleet.endpoints))

    async def endpoints(self, request: Request) -> Response:
        """What answers now, and what each version did since this process started."""
        fleet = self._fleet
        return json_response(
            {
                "revision": fleet.revision,
                "desired": fleet.desired,
                "started": self._started_ms,
                "pid": os.getpid(),
                "errors": fleet.errors,
                "log_lost": self._counts.log_lost,
                "shadows_dropped": self._counts.shadows_dropped,
                "endpoints": {n: self._endpoint(e) for n, e in fleet.endpoints.items()},
            }
        )

    def _endpoint(self, endpoint: LiveEndpoint) -> dict[str, Any]:
        versions: dict[str, dict[str, Any]] = {}
        for (name, version, role), counts in list(self._counts.versions.items()):
            if name == endpoint.name:
                versions.setdefault(str(version), {})[role] = counts.to_dict()
        arms = [
            {"version": a.version, "role": a.role, "weight": a.weight, "digest": a.model.digest}
            for a in endpoint.arms
        ]
        return {"model": endpoint.model, "arms": arms, "versions": versions}


def _check_method(request: Request, route: Route) -> None:
    if (request.method, route.method) != ("HEAD", "GET"):
        raise EverloopError(
            f"{request.path[:200]}: got {request.method}, expected {route.method}.",
            code="method_not_allowed", path="method", got=request.method, expected=route.method,
        )  # fmt: skip
