"""Webhooks, and what became of the messages to them."""

from __future__ import annotations

import msgspec

from everloop.registry.webhooks.records import Status, Webhook
from everloop.server.api.models import Deleted
from everloop.server.call import Answer, Call, Page


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook; ``events`` are such as ``model_version.created``."""

    name: str
    url: str
    events: list[str]
    description: str | None = None
    secret: str | None = None
    status: Status = "ACTIVE"


class WebhookChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a webhook; what is left out stays."""

    name: str | None = None
    url: str | None = None
    events: list[str] | None = None
    description: str | None = None
    secret: str | None = None
    status: Status | None = None


class TestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The event to send an example of; the webhook's first one when it is left out."""

    event: str | None = None


class Tested(msgspec.Struct, frozen=True):
    """What came of a test."""

    ok: bool
    status: int | None
    body: str
    error: str | None


def listing(call: Call) -> Page:
    found = call.project.webhooks.page(call.limit(), call.query.get("after"))
    return Page(found.items, found.next)


def create(call: Call) -> Answer:
    body = call.body
    made = call.project.webhooks.create(
        body.name,
        body.url,
        body.events,
        description=body.description,
        secret=body.secret,
        status=body.status,
        actor=call.actor,
    )
    return Answer(made, 201)


def get(call: Call) -> Webhook:
    return call.project.webhooks.get(call.path["webhook"])


def change(call: Call) -> Webhook:
    body = call.body
    return call.project.webhooks.update(
        call.path["webhook"],
        name=body.name,
        url=body.url,
        events=body.events,
        description=body.description,
        secret=body.secret,
        status=body.status,
        actor=call.actor,
    )


def delete(call: Call) -> Deleted:
    call.project.webhooks.delete(call.path["webhook"], call.actor)
    return Deleted(call.path["webhook"])


def test(call: Call) -> Tested:
    outcome = call.project.webhooks.test(call.path["webhook"], call.body.event)
    return Tested(outcome.ok, outcome.status, outcome.body, outcome.error)


def deliveries(call: Call) -> Page:
    found = call.project.webhooks.deliveries(
        call.path["webhook"], call.limit(), call.query.get("after")
    )
    return Page(found.items, found.next)
