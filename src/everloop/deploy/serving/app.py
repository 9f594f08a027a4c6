"""The data plane's RSGI application: one route table, and errors as JSON."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import Any, cast

from everloop.deploy.serving.access import Access
from everloop.deploy.serving.counts import Counts, Totals
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.group import Group
from everloop.deploy.serving.http import (
    TEXT,
    UNCLEAR_END,
    Exchange,
    Request,
    Response,
    Scope,
    Streamed,
    Upgrade,
    error_response,
    json_response,
    status_of,
)
from everloop.deploy.serving.limits import ACTIVE, WAITING
from everloop.deploy.serving.openapi import document
from everloop.deploy.serving.routing import ErrorShape, Found, Route, Routed, Router, SocketHandler
from everloop.deploy.serving.seen import Seen, Watch
from everloop.errors import EverloopError, NotFound

_log = logging.getLogger(__name__)


class App:
    """The RSGI application over the parts made by :mod:`everloop.deploy.serving.server`."""

    def __init__(
        self,
        fleet: Fleet,
        counts: Counts,
        access: Access,
        protocols: Sequence[Routed],
        watch: Watch | None = None,
        group: Group | None = None,
    ) -> None:
        self._fleet = fleet
        self._counts = counts
        self._access = access
        self._group = group
        self._watch = watch or Watch(counts)
        self._started_ms = int(time.time() * 1000)
        own = [
            Route("GET", "/health", self.health, public=True),
            Route("GET", "/ready", self.ready, public=True),
            Route("GET", "/metrics", self.metrics),
            Route("GET", "/openapi.json", self.openapi),
            Route("GET", "/endpoints", self.endpoints),
        ]
        self._routes = [*own, *(r for protocol in protocols for r in protocol.routes())]
        self._router = Router(self._routes)

    async def __call__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request; whatever happens, with JSON and a stable code."""
        if scope.proto == "ws":
            await self._socket(scope, exchange)
            return
        request = Request(scope, exchange)
        shape: ErrorShape = error_response
        path = ""
        try:
            found = self._router.find(request.path)
            shape, path = found.any.error, found.any.path
            route = self._allowed(request, found)
            request.params = found.params
            if route.endpoint:
                name = found.params.get("name")
                request.endpoint = self._fleet.loaded(name) or await self._fleet.asked(name)
            response = await route.handler(request)
        except EverloopError as error:
            response = shape(error, request.id)
            if error.code == UNCLEAR_END:
                response.headers.append(("connection", "close"))
        except Exception:
            _log.exception("request %s failed", request.id)
            failure = EverloopError("The server failed on this request.", code="internal")
            response = shape(failure, request.id)
        if isinstance(response, Streamed):
            await response.run(exchange)
        else:
            response.send(exchange)
        endpoint = request.endpoint.name if request.endpoint else ""
        if self._watch.needed:
            self._watch.tell(_seen(request, path, endpoint, response.status))
        else:
            self._watch.count(endpoint, request.version, response.status)
        if response.after is not None:
            response.after()

    async def _socket(self, scope: Scope, exchange: Any) -> None:
        """Answer a websocket; one that is refused gets the status that a request would."""
        request, upgrade = Request(scope, exchange), cast(Upgrade, exchange)
        path = endpoint = ""
        try:
            found = self._router.find(request.path)
            path = found.any.path
            route = self._allowed(request, found)
            if route.socket is None:
                raise NotFound(f"{path}: there is no websocket.", code="route_not_found")
            request.params = found.params
            endpoint = (await self._fleet.asked(found.params.get("name"))).name
            status = 101
        except EverloopError as error:
            status = status_of(error)
            upgrade.close(status)
        else:
            await self._talk(route.socket, request, upgrade)
        self._watch.tell(_seen(request, path, endpoint, status))

    async def _talk(self, handler: SocketHandler, request: Request, upgrade: Upgrade) -> None:
        try:
            await handler(request, await upgrade.accept())
        except Exception:
            _log.exception("websocket %s failed", request.id)
        finally:
            upgrade.close(None)

    def _allowed(self, request: Request, found: Found) -> Route:
        """The route, for a caller who may ask it. Nobody else learns which methods there are."""
        route = found.route(request.method)
        public = (route or found.any).public
        (self._access.check_host if public else self._access.check)(request)
        if route is None:
            expected = " or ".join(found.methods)
            raise EverloopError(
                f"{request.path[:200]}: got {request.method}, expected {expected}.",
                code="method_not_allowed", path="method", got=request.method, expected=expected,
            )  # fmt: skip
        return route

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
        return json_response(document(self._fleet.endpoints, self._routes))

    async def endpoints(self, request: Request) -> Response:
        """What answers now, and what each version did since this process started."""
        fleet, total = self._fleet, self._counts.total()
        return json_response(
            {
                "revision": self._revision(),
                "desired": fleet.desired,
                "started": self._started_ms,
                "pid": os.getpid(),
                "errors": fleet.errors,
                "log_lost": total.log_lost,
                "shadows_dropped": total.shadows_dropped,
                "endpoints": self._traffic(total),
            }
        )

    def _revision(self) -> int:
        """Of the desired state that this process and those beside it have applied."""
        own = self._fleet.revision
        return own if self._group is None else self._group.revision(own)

    def traffic(self) -> dict[str, Any]:
        """What each endpoint answers with, and what each of its versions did."""
        return self._traffic(self._counts.total())

    def _traffic(self, total: Totals) -> dict[str, Any]:
        did, codes, busy = total.versions(), total.codes(), total.busy_ms()
        turns = total.now("endpoint")
        spent = {"cpu_s": total.cpu_s, "all_busy_ms": sum(busy.values())}
        unexpected = total.unexpected()
        return {
            name: self._endpoint(name, did.get(name, {}), codes.get(name, {}), turns.get(name))
            | {"busy_ms": busy.get(name, 0.0), "unexpected": unexpected.get(name, {}), **spent}
            for name in self._fleet.arms
        }

    def _endpoint(
        self,
        name: str,
        versions: dict[str, Any],
        codes: dict[str, int],
        told: list[float] | None,
    ) -> dict[str, Any]:
        """What answers there, or would once somebody asks, and what it did."""
        live = self._fleet.endpoints.get(name)
        state = self._fleet.cold[name] if live is None else live
        turns = told or (0.0, 0.0)
        arms = [
            {"version": a.version, "role": a.role, "weight": a.weight, "digest": a.digest}
            for a in state.arms
        ]
        said = {
            "model": state.model, "loaded": live is not None, "arms": arms, "versions": versions,
            "codes": codes,
            "queue": {
                "active": int(turns[ACTIVE]), "waiting": int(turns[WAITING]),
                "concurrency": state.serving.concurrency, "queue": state.serving.queue,
            },
        }  # fmt: skip
        if live is not None and live.cache is not None:
            said["cache"] = {"hits": live.cache.hits, "misses": live.cache.misses}
        return said


def _seen(request: Request, route: str, endpoint: str, status: int) -> Seen:
    headers = request.headers
    return Seen(
        request.method, route, request.id, endpoint, request.version, status,
        (time.perf_counter() - request.started) * 1000,
        headers.get("traceparent", ""),
        headers.get("tracestate", ""),
    )  # fmt: skip
