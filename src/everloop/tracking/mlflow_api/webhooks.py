"""Webhooks: who is told of what happens to models."""

from __future__ import annotations

from typing import Any

from msgspec import field

from everloop.registry.webhooks.happenings import EXAMPLES, UNHEARD
from everloop.registry.webhooks.records import Status, Webhook
from everloop.registry.webhooks.store import MOST, NAME, SECRET
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import named
from everloop.tracking.mlflow_api.decode import Int64, Message, Required
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import refuse, too_long
from everloop.tracking.mlflow_api.registry_checks import check_description
from everloop.tracking.mlflow_api.shapes import next_page

ENTITIES = (
    "REGISTERED_MODEL", "MODEL_VERSION", "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS", "PROMPT",
    "PROMPT_VERSION", "PROMPT_TAG", "PROMPT_VERSION_TAG", "PROMPT_ALIAS", "BUDGET_POLICY",
)  # fmt: skip
ACTIONS = ("CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED")
STATUSES: dict[str, Status] = {"ACTIVE": "ACTIVE", "DISABLED": "DISABLED"}


class Event(Message, frozen=True):
    entity: int | str | None = None
    action: int | str | None = None


class CreateWebhook(Message, frozen=True):
    name: Required
    url: Required
    events: list[Event] = field(default_factory=list)
    description: str | None = None
    secret: str | None = None
    status: int | str | None = None


class ListWebhooks(Message, frozen=True):
    max_results: Int64 = 100
    page_token: str = ""


class WebhookById(Message, frozen=True):
    webhook_id: Required


class UpdateWebhook(Message, frozen=True):
    webhook_id: Required
    name: str = ""
    description: str | None = None
    url: str = ""
    events: list[Event] = field(default_factory=list)
    secret: str | None = None
    status: int | str | None = None


class TestWebhook(Message, frozen=True):
    webhook_id: Required
    event: Event | None = None


def create(api: Api, message: CreateWebhook) -> dict[str, Any]:
    _check(message)
    if not message.events:
        raise refuse("Webhook events must be a non-empty list of WebhookEvent objects: [].")
    made = api.webhooks.create(
        message.name,
        message.url,
        [_event(one) for one in message.events],
        description=message.description or None,
        secret=message.secret or None,
        status=_status(message.status) or "ACTIVE",
        actor=api.actor,
    )
    return {"webhook": shape(made)}


def get(api: Api, message: WebhookById) -> dict[str, Any]:
    return {"webhook": shape(api.webhooks.get(message.webhook_id))}


def listing(api: Api, message: ListWebhooks) -> dict[str, Any]:
    limit = message.max_results or 100
    if not 1 <= limit <= MOST:
        raise refuse(f"max_results must be between 1 and {MOST}.")
    found = api.webhooks.page(limit, message.page_token or None)
    return next_page({"webhooks": [shape(one) for one in found.items]}, found.next)


def update(api: Api, message: UpdateWebhook) -> dict[str, Any]:
    api.webhooks.get(message.webhook_id)
    _check(message)
    made = api.webhooks.update(
        message.webhook_id,
        name=message.name or None,
        url=message.url or None,
        events=[_event(one) for one in message.events] or None,
        description=message.description,
        secret=message.secret,
        status=_status(message.status),
        actor=api.actor,
    )
    return {"webhook": shape(made)}


def delete(api: Api, message: WebhookById) -> None:
    api.webhooks.delete(message.webhook_id, api.actor)


def test(api: Api, message: TestWebhook) -> dict[str, Any]:
    event = None if message.event is None else _event(message.event)
    outcome = api.webhooks.test(message.webhook_id, event)
    if outcome.status is None:
        error = f"Failed to test webhook: {outcome.error}"
        return {"result": {"success": False, "error_message": error}}
    result = {
        "success": outcome.ok,
        "response_status": outcome.status,
        "response_body": outcome.body,
    }
    return {"result": result}


def shape(webhook: Webhook) -> dict[str, Any]:
    """A webhook as clients read it, without its secret."""
    made: dict[str, Any] = {
        "webhook_id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": [
            {"entity": entity.upper(), "action": action.upper()}
            for entity, _, action in (event.partition(".") for event in webhook.events)
        ],
        "status": webhook.status,
        "creation_timestamp": webhook.created,
        "last_updated_timestamp": webhook.updated,
    }
    return made | ({"description": webhook.description} if webhook.description else {})


def _check(message: CreateWebhook | UpdateWebhook) -> None:
    if message.name and not NAME.fullmatch(message.name):
        raise refuse(
            f"Webhook name {message.name[:100]!r} is invalid. It must start and end with a letter"
            " or digit, be less than 63 characters long, and contain only letters, digits, dots"
            " (.), underscores (_), and hyphens (-)."
        )
    check_description(message.description)
    if message.secret and len(message.secret) > SECRET:
        raise too_long("secret", SECRET)


def _event(event: Event) -> str:
    entity = (named(event.entity, ENTITIES, "entity") or "").lower()
    action = (named(event.action, ACTIONS, "action") or "").lower()
    known = sorted(
        one.partition(".")[2] for one in (*EXAMPLES, *UNHEARD) if one.startswith(f"{entity}.")
    )
    if action not in known:
        raise refuse(f"Invalid action '{action}' for entity '{entity}'. Valid actions are: {known}")
    return f"{entity}.{action}"


def _status(value: int | str | None) -> Status | None:
    name = named(value or None, tuple(STATUSES), "status")
    return None if name is None else STATUSES[name]


ENTRIES = (
    Entry("POST", "webhooks", create, "admin", CreateWebhook),
    Entry("GET", "webhooks", listing, "admin", ListWebhooks),
    Entry("GET", "webhooks/{webhook_id}", get, "admin", WebhookById),
    Entry("PATCH", "webhooks/{webhook_id}", update, "admin", UpdateWebhook),
    Entry("DELETE", "webhooks/{webhook_id}", delete, "admin", WebhookById),
    Entry("POST", "webhooks/{webhook_id}/test", test, "admin", TestWebhook),
)
