"""Webhooks: who is told of what happens to models, and what became of telling them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import sqlalchemy as sa

from everloop.errors import NotFound, invalid
from everloop.registry.records import check_description
from everloop.registry.search import check_limit
from everloop.registry.webhooks.guard import check_url
from everloop.registry.webhooks.happenings import EXAMPLES, UNHEARD, check_events, unknown
from everloop.registry.webhooks.queue import envelope
from everloop.registry.webhooks.records import Delivery, Outcome, Status, Webhook
from everloop.registry.webhooks.sending import send
from everloop.registry.webhooks.vault import Vault
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.paging import Found, pack, unpack
from everloop.store.tables import webhook_deliveries, webhooks
from everloop.store.texts import check_short

MOST = 1000
"""Most items of a page."""

SECRET = 1000  # characters
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_W, _D = webhooks.c, webhook_deliveries.c


class WebhookStore:
    """The webhooks in ``db``; each change is an event in the same transaction.

    Parameters
    ----------
    vault : encrypts the secrets.
    hosts : those that may be reached although they are private, and without TLS.
    """

    def __init__(
        self, db: Database, events: EventLog, vault: Vault, hosts: frozenset[str] = frozenset()
    ) -> None:
        self.db = db
        self.events = events
        self.vault = vault
        self.hosts = hosts

    def create(
        self,
        name: str,
        url: str,
        events: Sequence[str],
        *,
        actor: str,
        description: str | None = None,
        secret: str | None = None,
        status: Status = "ACTIVE",
    ) -> Webhook:
        """Add a webhook; messages to it are signed when it has a ``secret``."""
        row = self._checked(
            name=name,
            url=url,
            events=events,
            description=description,
            secret=secret,
            status=status,
        )
        now, id = now_ms(), str(uuid.uuid4())
        row |= {"id": id, "created": now, "updated": now}
        with self.events.transaction() as conn:
            conn.execute(sa.insert(webhooks), row)
            self._event(conn, "webhook.created", id, actor, row)
            return _webhook(_require(conn, id))

    def get(self, id: str) -> Webhook:
        """One webhook; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.read() as conn:
            return _webhook(_require(conn, id))

    def page(self, limit: int = 100, token: str | None = None) -> Found[Webhook]:
        """Webhooks, newest first."""
        check_limit(limit, MOST)
        query = sa.select(webhooks)
        if token is not None:
            query = query.where(sa.tuple_(_W.created, _W.id) < _behind(token))
        query = query.order_by(_W.created.desc(), _W.id.desc()).limit(limit + 1)
        with self.db.read() as conn:
            return _page([_webhook(row) for row in conn.execute(query)], limit)

    def update(
        self,
        id: str,
        *,
        actor: str,
        name: str | None = None,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        secret: str | None = None,
        status: Status | None = None,
    ) -> Webhook:
        """Change what is given; an empty ``secret`` ends the signing."""
        row = self._checked(
            name=name,
            url=url,
            events=events,
            description=description,
            secret=secret,
            status=status,
        )
        changes = {key: value for key, value in row.items() if value is not None}
        if secret == "":
            changes["secret"] = None
        with self.events.transaction() as conn:
            before = _require(conn, id)
            now = max(now_ms(), before.updated + 1)
            conn.execute(sa.update(webhooks).where(_W.id == id).values(**changes, updated=now))
            self._event(conn, "webhook.updated", id, actor, changes)
            return _webhook(_require(conn, id))

    def delete(self, id: str, actor: str) -> None:
        """Remove a webhook, with the deliveries to it; what waits is not sent any more."""
        with self.events.transaction() as conn:
            _require(conn, id)
            conn.execute(sa.delete(webhook_deliveries).where(_D.webhook == id))
            conn.execute(sa.delete(webhooks).where(_W.id == id))
            self._event(conn, "webhook.deleted", id, actor, {})

    def test(self, id: str, event: str | None = None) -> Outcome:
        """Send an example of ``event`` (the first that it wants) now, and say what came of it."""
        with self.db.read() as conn:
            row = _require(conn, id)
        wanted = event or _webhook(row).events[0]
        if wanted in UNHEARD:
            return Outcome(error=f"Nothing like {wanted} happens here.")
        if wanted not in EXAMPLES:
            raise unknown(wanted)
        secret = self.vault.open(row.secret) if row.secret else None
        text = envelope(wanted, EXAMPLES[wanted])
        return send(row.url, str(uuid.uuid4()), text, secret, self.hosts)

    def deliveries(self, id: str, limit: int = 100, token: str | None = None) -> Found[Delivery]:
        """The deliveries to a webhook, newest first."""
        check_limit(limit, MOST)
        query = sa.select(webhook_deliveries).where(_D.webhook == id)
        if token is not None:
            query = query.where(sa.tuple_(_D.created, _D.id) < _behind(token))
        query = query.order_by(_D.created.desc(), _D.id.desc()).limit(limit + 1)
        with self.db.read() as conn:
            _require(conn, id)
            return _page([_delivery(row) for row in conn.execute(query)], limit)

    def _checked(self, **given: Any) -> dict[str, Any]:
        """The columns for what is given; raises InvalidInput for what may not be."""
        if given["name"] is not None and not NAME.fullmatch(given["name"]):
            expected = "1 to 63 letters, digits, '.', '_' or '-', a letter or digit at both ends"
            raise invalid("name", given["name"], expected, code="bad_name")
        if given["url"] is not None:
            check_url(given["url"], self.hosts)
        if given["events"] is not None:
            pairs = [event.split(".") for event in check_events(given["events"])]
            given["events"] = msgspec.json.encode(pairs).decode()
        if given["status"] is not None and given["status"] not in get_args(Status):
            raise invalid("status", given["status"], "one of " + ", ".join(get_args(Status)))
        check_description(given["description"])
        secret = given["secret"]
        if secret and (len(secret) > SECRET or "\0" in secret):
            raise invalid("secret", "<hidden>", f"at most {SECRET} characters")
        given["secret"] = self.vault.seal(secret) if secret else None
        return given

    def _event(
        self, conn: sa.Connection, kind: str, id: str, actor: str, row: dict[str, Any]
    ) -> None:
        """Of an address only the host is recorded: its path may be as secret as a password."""
        payload = {key: row[key] for key in ("name", "status") if row.get(key) is not None}
        if row.get("url"):
            payload["host"] = check_url(row["url"], self.hosts).hostname
        if row.get("events"):
            payload["events"] = [".".join(pair) for pair in msgspec.json.decode(row["events"])]
        self.events.append(conn, actor=actor, kind=kind, subject=f"webhook:{id}", payload=payload)


def _require(conn: sa.Connection, id: str) -> Any:
    check_short("webhook", id, 1000)
    row = conn.execute(sa.select(webhooks).where(_W.id == id)).first()
    if row is None:
        raise NotFound(f"There is no webhook {id!r}.", code="webhook_not_found", got=id)
    return row


def _webhook(row: Any) -> Webhook:
    return Webhook(
        id=row.id,
        name=row.name,
        description=row.description,
        url=row.url,
        events=[".".join(pair) for pair in msgspec.json.decode(row.events)],
        status=row.status,
        signed=row.secret is not None,
        created=row.created,
        updated=row.updated,
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(**{**row._mapping, "payload": msgspec.json.decode(row.payload)})


def _behind(token: str) -> sa.ColumnElement[Any]:
    created, id = unpack(token, tuple[int, str])
    if not 0 <= created < 2**63:
        created = 0
    return sa.tuple_(created, id.replace("\0", ""))


def _page(items: list[Any], limit: int) -> Found[Any]:
    if len(items) <= limit:
        return Found(items, None)
    return Found(items[:limit], pack([items[limit - 1].created, items[limit - 1].id]))
