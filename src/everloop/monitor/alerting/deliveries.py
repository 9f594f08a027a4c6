"""What is told to which channel: rows that wait, are sent, or failed for good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from everloop.errors import EverloopError
from everloop.monitor.alerting.channels._base import Channel, Surroundings
from everloop.monitor.alerting.notice import Notice
from everloop.registry.webhooks.courier import ATTEMPTS, Carrier
from everloop.registry.webhooks.records import Outcome
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore
from everloop.store.tables import alert_deliveries

MOST = 1000
_D = alert_deliveries.c
Channels = Callable[[str], dict[str, Channel]]
"""The channels that the loop of an endpoint declares now, by name."""


class AlertDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to one channel; its ``id`` is the same for each attempt, and for a repetition.

    It is ``waiting`` until the channel took it (``sent``), or will not (``failed``).
    """

    id: str
    endpoint: str
    channel: str
    key: str
    payload: Notice
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    due: int | None
    status: int | None
    error: str | None
    created: int
    updated: int


class DeliveryStore:
    """Deliveries in the database."""

    def __init__(self, db: Database) -> None:
        self.db = db

    @staticmethod
    def add(conn: sa.Connection, notice: Notice, channel: str, created: int) -> bool:
        """Let a notice be sent once the transaction commits; False when it was added before."""
        values = {
            "id": _id(notice, channel), "endpoint": notice.endpoint, "channel": channel,
            "key": notice.key, "payload": msgspec.json.encode(notice).decode(),
            "state": "waiting", "attempts": 0, "due": created, "created": created,
            "updated": created,
        }  # fmt: skip
        added = insert_or_ignore(alert_deliveries).values(values).returning(_D.id)
        return conn.execute(added).first() is not None

    def page(
        self,
        state: str | None = None,
        incident: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
        endpoint: str | None = None,
    ) -> list[AlertDelivery]:
        """The newest first; ``incident`` leaves those that tell of it."""
        query = sa.select(alert_deliveries).order_by(_D.created.desc(), _D.id)
        if state is not None:
            query = query.where(_D.state == state)
        if endpoint is not None:
            query = query.where(_D.endpoint == endpoint)
        if incident is not None:
            query = query.where(_D.payload.contains(f'"id":"{incident}"', autoescape=True))
        if before is not None:
            created, key = before
            query = query.where((_D.created < created) | ((_D.created == created) & (_D.id > key)))
        with self.db.read() as conn:
            rows = conn.execute(query.limit(max(1, min(limit, MOST)))).all()
        return [_delivery(row) for row in rows]


class AlertCourier(Carrier):
    """Sends what waits. Of one group and channel, nothing is sent before what was told earlier."""

    def __init__(self, db: Database, channels: Channels, around: Surroundings) -> None:
        super().__init__(db, alert_deliveries, "alert")
        self.channels = channels
        self.around = around

    def due(self, now: int) -> sa.Select[tuple[str]]:
        earlier = alert_deliveries.alias("earlier")
        before = sa.exists().where(
            earlier.c.key == _D.key, earlier.c.channel == _D.channel,
            earlier.c.state == "waiting", earlier.c.created < _D.created,
        )  # fmt: skip
        return super().due(now).where(~before)

    def attempt(self, row: Any) -> tuple[Outcome, bool]:
        try:
            channel = self.channels(row.endpoint).get(row.channel)
        except EverloopError as error:
            return Outcome(error=error.message), row.attempts >= ATTEMPTS
        if channel is None:
            return Outcome(error=f"No channel {row.channel!r} is declared any more."), True
        notice = msgspec.json.decode(row.payload, type=Notice)
        return tell(channel, notice, row.id, self.around), row.attempts >= ATTEMPTS


def tell(channel: Channel, notice: Notice, delivery: str, around: Surroundings) -> Outcome:
    """One attempt; what goes wrong is in the outcome, and no secret is."""
    try:
        outcome = channel.send(notice, delivery, around)
    except EverloopError as error:
        outcome = Outcome(error=error.message)
    return channel.hidden(outcome, around)


def tested(channel: Channel, name: str, endpoint: str, around: Surroundings) -> Outcome:
    """Send a test to a channel now; nothing is kept of it."""
    notice = Notice(
        key="test", state="test", endpoint=endpoint, rule="test", severity="warning",
        at=now_ms(), items=[],
    )  # fmt: skip
    return tell(channel, notice, f"test-{name}-{notice.at}", around)


def _id(notice: Notice, channel: str) -> str:
    """The same for the same news to the same channel."""
    parts = [notice.key, channel, notice.state, notice.severity, *(i.id for i in notice.items)]
    parts += [] if notice.ended is None else [notice.ended.verdict, str(notice.ended.reminder)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _delivery(row: sa.Row[Any]) -> AlertDelivery:
    payload = msgspec.json.decode(row.payload, type=Notice)
    return AlertDelivery(**dict(row._mapping) | {"payload": payload})
