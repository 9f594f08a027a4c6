"""Pages of an endpoint: its traffic and rollout, a window, a profile."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.endpoint import EndpointPage, read_endpoint
from everloop.console.monitor import Asked, MonitorPage, read_monitor
from everloop.console.window import WindowPage, read_window
from everloop.deploy.rollouts import Do, Wish
from everloop.monitor.profile_report import ProfileReport, Profiles
from everloop.server.call import Call, Comment
from everloop.server.pages._base import shown, word_of
from everloop.server.plane import traffic


def endpoint(call: Call) -> Response:
    return shown("endpoint.html", endpoint_json(call))


def endpoint_json(call: Call) -> EndpointPage:
    context = call.context
    counts = traffic(context.serve_url, context.token)
    return read_endpoint(call.project, call.path["endpoint"], counts)


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


class _Release(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["release"]
    comment: Comment = ""
