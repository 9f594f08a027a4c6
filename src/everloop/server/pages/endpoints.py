"""Pages of an endpoint: its traffic and rollout, a window, a profile."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.endpoints.asking import AskPage, Tried, ask_page, row_of, tried_of
from everloop.console.endpoints.endpoint import (
    RECENT,
    EndpointPage,
    loop_at_endpoint,
    read_endpoint,
    row_like,
    schema_served,
)
from everloop.console.endpoints.listed import EndpointsPage, read_endpoints
from everloop.console.endpoints.predictions import PredictionsPage, read_predictions, recent
from everloop.console.monitor.endpoint import Asked, MonitorPage, read_monitor
from everloop.console.monitor.window import WindowPage, read_window
from everloop.data.schema import Schema
from everloop.deploy.endpoints import Endpoint
from everloop.deploy.rollouts import Do, Wish
from everloop.errors import Conflict, InvalidInput, Unavailable
from everloop.loop.direct import promoted
from everloop.loop.loop import loop_of
from everloop.monitor.profile_report import ProfileReport, Profiles
from everloop.server.call import Call, Comment
from everloop.server.pages._base import fields_in, shown, whole, word_of
from everloop.server.plane import ask as ask_plane
from everloop.server.plane import traffic

PARTS = "probabilities,quantiles,id,version"


def endpoint(call: Call) -> Response:
    return shown("endpoint.html", endpoint_json(call))


def endpoint_json(call: Call) -> EndpointPage:
    context = call.context
    counts = traffic(context.serve_url, context.token)
    return read_endpoint(call.project, call.path["endpoint"], counts, context.serve_url)


def endpoints(call: Call) -> Response:
    return shown("endpoints.html", endpoints_json(call))


def endpoints_json(call: Call) -> EndpointsPage:
    counts = traffic(call.context.serve_url, call.context.token)
    return read_endpoints(call.project, counts, call.query.get("after", ""))


def predictions(call: Call) -> Response:
    return shown("predictions.html", predictions_json(call))


def predictions_json(call: Call) -> PredictionsPage:
    name, before = call.path["endpoint"], call.before_pair()
    schema = schema_served(call.project, call.project.endpoints.get(name))
    return read_predictions(call.project, name, schema, before)


def back(call: Call) -> Response:
    """The form that lets another version answer: at once, or by the declared rollout."""
    word, name = word_of(call.body, _Back), call.path["endpoint"]
    endpoint, version = call.project.endpoints.get(name), whole("version", word.version)
    loop = loop_at_endpoint(call.project, name)
    if loop is None:
        found = call.project.registry.version(endpoint.model, version)
        promoted(call.project, found, name, actor=call.actor)
        return RedirectResponse(f"/endpoints/{quote(name, safe='')}", 303)
    how = {"kind": "direct"} if word.do == "rollback" else {}
    cycle = loop_of(call.project, loop).deploy(
        version, rollout=how, comment=word.comment, wait=False, actor=call.actor
    )
    return RedirectResponse(f"/cycles/{cycle.id}", 303)


def ask(call: Call) -> Response:
    return shown("try.html", ask_json(call))


def ask_json(call: Call) -> AskPage:
    """The form that tries an endpoint."""
    name = call.path["endpoint"]
    endpoint = call.project.endpoints.get(name)
    schema = schema_served(call.project, endpoint)
    newest = recent(call.project, name, endpoint.model, schema, RECENT)
    return ask_page(name, endpoint.model, schema, call.context.serve_url, row_like(newest))


def tried(call: Call) -> Response:
    """The form's answer, with the form again."""
    page = ask_json(call)
    endpoint = call.project.endpoints.get(page.endpoint)
    schema = schema_served(call.project, endpoint)
    if schema is None:
        raise Conflict(f"endpoint {endpoint.name}: {page.missing}", code="no_schema")
    form = fields_in(call.body)
    url = call.context.serve_url
    try:
        row = row_of(form, schema)
    except InvalidInput as error:
        filled = {field.feature: form.get(field.name, "") for field in page.fields}
        return shown("try.html", ask_page(page.endpoint, page.model, schema, url, filled), error)
    found = _asked(call, endpoint, schema, row)
    return shown("try.html", ask_page(page.endpoint, page.model, schema, url, row, found))


def _asked(call: Call, endpoint: Endpoint, schema: Schema, row: dict[str, Any]) -> Tried:
    """What the data plane says to one row."""
    path = f"/endpoints/{quote(endpoint.name, safe='')}/predict?include={PARTS}"
    context = call.context
    try:
        said = ask_plane(
            context.serve_url, context.token, "POST", path, msgspec.json.encode([row]), timeout=30
        )
    except Unavailable as error:
        return Tried(row, error=f"{error.message} {error.fix or ''}".strip())
    return tried_of(said.status, said.body, row, endpoint.model, schema)


def window(call: Call) -> Response:
    return shown("window.html", window_json(call))


def window_json(call: Call) -> WindowPage:
    return read_window(call.project, call.path["endpoint"], call.number("start"))


def profile(call: Call) -> Response:
    return shown("profile.html", profile_json(call))


def profile_json(call: Call) -> ProfileReport:
    profiles = Profiles(call.project.windows, call.project.blobs, call.path["endpoint"])
    until = call.whole("until", None, 0, 2**53)
    return profiles.report(call.number("start"), until, call.query.get("segment"))


def monitor(call: Call) -> Response:
    return shown("monitor.html", monitor_json(call))


def monitor_json(call: Call) -> MonitorPage:
    asked = msgspec.convert(dict(call.query), Asked)
    return read_monitor(call.project, call.path["endpoint"], asked)


def steer(call: Call) -> Response:
    """A button of a rollout: a person's word, then its endpoint's page again."""
    word = word_of(call.body, _Steering)
    wish = Wish(word.do, call.actor, word.comment)
    found = call.project.rollouts.ask(call.path["rollout"], wish)
    return RedirectResponse(f"/endpoints/{quote(found.endpoint, safe='')}", 303)


def release(call: Call) -> Response:
    """A window's button: a person says that its rows are sound, then its page again."""
    word, endpoint, start = (
        word_of(call.body, _Release),
        call.path["endpoint"],
        call.number("start"),
    )
    call.project.watch.release(endpoint, start, call.actor, word.comment)
    return RedirectResponse(f"/endpoints/{quote(endpoint, safe='')}/windows/{start}", 303)


class _Steering(msgspec.Struct, forbid_unknown_fields=True):
    do: Do
    comment: Comment = ""


class _Back(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["rollback", "trial"]
    version: str
    comment: Comment = ""


class _Release(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["release"]
    comment: Comment = ""
