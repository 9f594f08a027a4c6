"""The console's pages as handlers; each page's twin answers the same values as JSON."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console import assets
from everloop.console.cycle import CyclePage, read_cycle
from everloop.console.overview import Overview, read_overview
from everloop.console.render import render
from everloop.errors import NotFound
from everloop.server.call import Call
from everloop.server.plane import traffic
from everloop.server.problems import Problem

HTML = "text/html; charset=utf-8"


def overview(call: Call) -> Response:
    return Response(render("overview.html", page=overview_json(call)), media_type=HTML)


def overview_json(call: Call) -> Overview:
    context = call.context
    counts = traffic(context.serve_url, context.token)
    return read_overview(call.project, context.serve_url, counts)


def cycle(call: Call) -> Response:
    return Response(render("cycle.html", page=cycle_json(call)), media_type=HTML)


def cycle_json(call: Call) -> CyclePage:
    return read_cycle(call.project, call.path["cycle"])


async def asset(call: Call) -> Response:
    """A file of the console; its name carries its hash, so it may be kept for ever."""
    found = assets.FILES.get(call.path["name"])
    if found is None:
        raise NotFound(f"There is no asset {call.path['name']!r}.", code="no_asset")
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found.body, media_type=found.media_type, headers=headers)


async def favicon(call: Call) -> Response:
    """What browsers ask for beside a page that is not ours to write, such as JSON."""
    icon = assets.FILES[assets.URLS["icon.svg"].removeprefix("/assets/")]
    return Response(icon.body, media_type=icon.media_type)


def error_page(problem: Problem) -> Response:
    """An error for people."""
    text = render("error.html", page=problem)
    return Response(text, problem.status, headers=problem.headers, media_type=HTML)
