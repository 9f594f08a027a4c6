"""Deliveries that wait: written with the change that they tell of, sent afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.clock import now_ms
from everloop.store.tables import webhook_deliveries, webhooks


def announce(conn: sa.Connection, event: str, data: Mapping[str, Any]) -> None:
    """Let every active webhook that asked for ``event`` be told, when the transaction commits.

    ``event`` is such as ``model_version.created``.
    """
    query = sa.select(webhooks.c.id, webhooks.c.events).where(webhooks.c.status == "ACTIVE")
    wanted = event.split(".")
    listeners = [row.id for row in conn.execute(query) if wanted in msgspec.json.decode(row.events)]
    if not listeners:
        return
    now, text = now_ms(), envelope(event, data)
    rows = [
        {
            "id": str(uuid.uuid4()),
            "webhook": id,
            "event": event,
            "payload": text,
            "state": "waiting",
            "attempts": 0,
            "due": now,
            "created": now,
            "updated": now,
        }
        for id in listeners
    ]
    conn.execute(sa.insert(webhook_deliveries), rows)


def envelope(event: str, data: Mapping[str, Any]) -> str:
    """What is sent: the event's name in its two parts, when it happened, and the data."""
    entity, action = event.split(".")
    body = {
        "entity": entity,
        "action": action,
        "timestamp": datetime.now(UTC).isoformat(),
        "data": data,
    }
    return msgspec.json.encode(body).decode()
