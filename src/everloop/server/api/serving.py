"""Endpoints, as declared here and as the data plane answers them, and predictions through it."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from everloop.console.traffic import Traffic
from everloop.deploy.endpoints import Endpoint
from everloop.server.api.loops import loop_named
from everloop.server.call import Call, Page, page
from everloop.server.plane import ask, traffic


class EndpointWithTraffic(msgspec.Struct, frozen=True):
    """An endpoint's rollout; ``traffic`` is the data plane's own count, None when it is away."""

    endpoint: Endpoint
    traffic: Traffic | None


def listing(call: Call) -> Page:
    counts = traffic(call.context.serve_url, call.context.token)
    found = call.project.endpoints.all()
    return Page([EndpointWithTraffic(e, counts.get(e.name)) for e in found], None)


def get(call: Call) -> EndpointWithTraffic:
    endpoint = call.project.endpoints.get(call.path["endpoint"])
    counts = traffic(call.context.serve_url, call.context.token)
    return EndpointWithTraffic(endpoint, counts.get(endpoint.name))


def predict(call: Call) -> Response:
    """Handed to the data plane as it is; models are loaded there only."""
    endpoint = loop_named(call).declaration.endpoint
    context = call.context
    path = f"/endpoints/{endpoint}/predict"
    answer = ask(context.serve_url, context.token, "POST", path, bytes(call.body), timeout=30)
    return Response(answer.body, answer.status, media_type="application/json")


def windows(call: Call) -> Page:
    limit, endpoint = call.limit(), call.path["endpoint"]
    found = call.project.windows.page(endpoint, before=call.before(), limit=limit)
    return page(found, limit, "start")


def alerts(call: Call) -> Page:
    limit, endpoint = call.limit(), call.path["endpoint"]
    found = call.project.windows.alerts(endpoint, before=call.before_pair(), limit=limit)
    return page(found, limit, "window", "id")
