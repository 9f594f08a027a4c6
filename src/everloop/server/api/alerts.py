"""Alerts as people are told of them: incidents, silences, channels and deliveries."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import invalid
from everloop.loop.loop import loop_at
from everloop.loop.questions import Question, ask
from everloop.monitor.alerting.desk import AlertDetail, ChannelTested, declared_channels
from everloop.monitor.alerting.silences import Silence
from everloop.monitor.cause.found import Cause, standing_cause
from everloop.monitor.windows import Alert
from everloop.server.api.loops import loop_named
from everloop.server.call import Answer, Call, Comment, Page, page

STATES = ("open", "resolved")
SENT = ("waiting", "sent", "failed")


class SilenceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long (as ``4h``) and why nobody is told of what matches the patterns."""

    duration: str
    comment: Comment
    endpoint: str = "*"
    kind: str = "*"
    feature: str = "*"


def listing(call: Call) -> Page:
    limit, query = call.limit(), call.query
    found = call.project.alerts.page(
        query.get("endpoint"), _word(call, "state", STATES), call.before_pair(), limit
    )
    following = page([line.incident for line in found], limit, "opened", "id").next
    return Page(found, following)


def get(call: Call) -> AlertDetail:
    return call.project.alerts.get(call.path["alert"])


def cause(call: Call) -> Cause:
    alert = call.project.windows.alert(call.path["alert"])
    return explained(call, alert, again=bool(call.whole("again", 0, 0, 1)))


def explained(call: Call, alert: Alert, *, again: bool = False) -> Cause:
    """What is kept of an alert's cause, or what a process of its own finds in bounded time."""
    loop = loop_at(call.project, alert.endpoint)
    kept = None if again else standing_cause(call.project.windows, alert)
    return kept or ask(call.project.dir, Question("cause", loop.name, alert=alert.id), Cause)


def deliveries(call: Call) -> Page:
    limit = call.limit()
    found = call.project.alerts.deliveries.page(
        _word(call, "state", SENT), None, call.before_pair(), limit, call.query.get("endpoint")
    )
    return page(found, limit, "created", "id")


def silences(call: Call) -> Page:
    return Page(call.project.alerts.silences.page(call.limit()), None)


def silence(call: Call) -> Answer:
    return Answer(silenced(call, call.body), 201)


def silenced(call: Call, body: SilenceBody) -> Silence:
    """The silence that a body asks for, from now on."""
    return call.project.alerts.silences.add(
        body.duration, actor=call.actor, comment=body.comment,
        endpoint=body.endpoint, kind=body.kind, feature=body.feature,
    )  # fmt: skip


def unsilence(call: Call) -> Silence:
    return call.project.alerts.silences.end(call.path["silence"], call.actor)


def channels(call: Call) -> dict[str, Any]:
    return declared_channels(loop_named(call).declaration.monitor)


def test(call: Call) -> ChannelTested:
    endpoint = loop_named(call).endpoint
    return call.project.alerts.test(endpoint, call.path["channel"])


def _word(call: Call, name: str, known: tuple[str, ...]) -> str | None:
    word = call.query.get(name)
    if word is not None and word not in known:
        raise invalid(f"query.{name}", word, "one of " + ", ".join(known))
    return word
