"""Endpoints, as declared here and as the data plane answers them, and predictions through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import Response

from everloop.console.endpoints.traffic import Elsewhere, Traffic, elsewhere
from everloop.deploy.endpoints import Endpoint
from everloop.loop.project import Project
from everloop.monitor.health import Health
from everloop.monitor.windows import Window
from everloop.server.api.loops import loop_named
from everloop.server.call import Call, Comment, Page, page
from everloop.server.plane import ask, traffic


class ReleaseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the rows are sound; kept in the event log."""

    comment: Comment = ""


class EndpointWithTraffic(msgspec.Struct, frozen=True):
    """An endpoint's rollout; ``traffic`` is the data plane's own count, None when it is away.

    ``planes`` are those on other machines, with what each said last; ``health`` is the newest
    window of it as a service.
    """

    endpoint: Endpoint
    traffic: Traffic | None
    planes: list[Elsewhere] = []
    health: Health | None = None


def listing(call: Call) -> Page:
    counts = traffic(call.context.serve_url, call.context.token)
    return Page(with_traffic(call.project, call.project.endpoints.all(), counts), None)


def get(call: Call) -> EndpointWithTraffic:
    endpoint = call.project.endpoints.get(call.path["endpoint"])
    counts = traffic(call.context.serve_url, call.context.token)
    (found,) = with_traffic(call.project, [endpoint], counts)
    return found


def with_traffic(
    project: Project, endpoints: Sequence[Endpoint], counts: Mapping[str, Traffic]
) -> list[EndpointWithTraffic]:
    """Endpoints beside the counts of this machine's data plane, by name, and of all others."""
    planes = project.remote_planes()
    return [
        EndpointWithTraffic(
            one,
            counts.get(one.name),
            elsewhere(one.name, msgspec.to_builtins(one.arms), planes),
            next(iter(project.health.page(one.name, limit=1)), None),
        )
        for one in endpoints
    ]


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


def window(call: Call) -> Window:
    return call.project.windows.get(call.path["endpoint"], call.number("start"))


def release(call: Call) -> Window:
    endpoint, start = call.path["endpoint"], call.number("start")
    return call.project.watch.release(endpoint, start, call.actor, call.body.comment)


def health(call: Call) -> Page:
    limit, endpoint = call.limit(), call.path["endpoint"]
    found = call.project.health.page(endpoint, before=call.before(), limit=limit)
    return page(found, limit, "start")


def alerts(call: Call) -> Page:
    limit, endpoint = call.limit(), call.path["endpoint"]
    found = call.project.windows.alerts(endpoint, before=call.before_pair(), limit=limit)
    return page(found, limit, "window", "id")
