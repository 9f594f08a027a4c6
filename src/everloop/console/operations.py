"""What the server does by itself: webhooks, imports and exports, and the newest events."""

from __future__ import annotations

import msgspec

from everloop.loop.project import Project
from everloop.registry.webhooks.records import Delivery, Webhook
from everloop.store.clock import now_ms
from everloop.store.events import Event
from everloop.tracking.moving.queue import Move

WEBHOOKS, DELIVERIES = 20, 3
MOVES, EVENTS = 10, 30


class Hook(msgspec.Struct, frozen=True):
    """A webhook with the newest of what was sent to it."""

    webhook: Webhook
    deliveries: list[Delivery]


class OperationsPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/operations.json``; each list begins with the newest."""

    at: int
    webhooks: list[Hook]
    imports: list[Move]
    exports: list[Move]
    events: list[Event]


def read_operations(project: Project) -> OperationsPage:
    """The newest of each; all of them are in the API."""
    hooks = project.webhooks.page(limit=WEBHOOKS).items
    return OperationsPage(
        at=now_ms(),
        webhooks=[
            Hook(one, project.webhooks.deliveries(one.id, limit=DELIVERIES).items) for one in hooks
        ],
        imports=project.moves.page("import", MOVES).items,
        exports=project.moves.page("export", MOVES).items,
        events=project.events.latest(EVENTS),
    )
