"""Pages of alerts, and of the rules and channels behind them."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.monitor.alerts import (
    AlertPage,
    AlertsPage,
    RulesPage,
    read_alert_page,
    read_alerts_page,
    read_rules_page,
)
from everloop.loop.loop import loop_of
from everloop.server.api.alerts import SilenceBody, explained, silenced
from everloop.server.call import Call, Comment
from everloop.server.pages._base import shown, word_of


def alerts(call: Call) -> Response:
    return shown("alerts.html", alerts_json(call))


def alerts_json(call: Call) -> AlertsPage:
    state, endpoint = call.query.get("state", ""), call.query.get("endpoint", "")
    return read_alerts_page(call.project, state, endpoint, call.before_pair())


def alert(call: Call) -> Response:
    return shown("alert.html", alert_json(call))


def alert_json(call: Call) -> AlertPage:
    return read_alert_page(call.project, call.path["alert"])


def explain(call: Call) -> Response:
    """The button of an alert's page: what it came from is found and kept, then the page again."""
    word_of(call.body, _Explaining)
    found = read_alert_page(call.project, call.path["alert"]).found
    incident = found.line.incident
    explained(call, found.alerts[-1])
    return RedirectResponse(f"/alerts/{incident.id}", 303)


def hush(call: Call) -> Response:
    """The form of the page of alerts: a silence, or the end of one."""
    word = word_of(call.body, _Hush)
    if word.do == "unsilence":
        call.project.alerts.silences.end(word.silence, call.actor)
    else:
        body = SilenceBody(word.duration, word.comment, word.endpoint, word.kind, word.feature)
        silenced(call, body)
    return RedirectResponse("/alerts", 303)


def rules(call: Call) -> Response:
    return shown("rules.html", rules_json(call))


def rules_json(call: Call) -> RulesPage:
    return read_rules_page(call.project)


def try_channel(call: Call) -> Response:
    """The form of the page of rules: a test to a channel, and the page with what came of it."""
    word = word_of(call.body, _Trying)
    endpoint = loop_of(call.project, word.loop).endpoint
    outcome = call.project.alerts.test(endpoint, word.channel)
    page = read_rules_page(call.project, (word.loop, word.channel, outcome))
    return shown("rules.html", page)


class _Hush(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["silence", "unsilence"]
    silence: str = ""
    duration: str = "4h"
    comment: Comment = ""
    endpoint: str = "*"
    kind: str = "*"
    feature: str = "*"


class _Explaining(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["explain"]


class _Trying(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["test"]
    loop: str
    channel: str
