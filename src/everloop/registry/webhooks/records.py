"""What webhooks and their deliveries are."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Status = Literal["ACTIVE", "DISABLED"]
State = Literal["waiting", "sent", "failed"]


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address that is told of what happens to models; its secret is never handed out.

    ``events`` are such as ``model_version.created``; ``signed`` says whether it has a secret.
    """

    id: str
    name: str
    description: str | None
    url: str
    events: list[str]
    status: Status
    signed: bool
    created: int
    updated: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a webhook.

    It is ``waiting`` until an answer of 2xx has come (``sent``), or none will (``failed``).
    ``due`` is when the next attempt is, ``status`` and ``error`` are of the last one.
    """

    id: str
    webhook: str
    event: str
    payload: dict[str, Any]
    state: State
    attempts: int
    due: int | None
    status: int | None
    error: str | None
    created: int
    updated: int


class Outcome(msgspec.Struct, frozen=True):
    """What became of an attempt: an HTTP status and the beginning of the answer, or an error.

    ``wait`` is how many seconds the receiver asks to be left alone.
    """

    status: int | None = None
    body: str = ""
    error: str | None = None
    wait: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def again(self) -> bool:
        """Whether trying again may help."""
        return self.status is None or self.status in (408, 425, 429) or self.status >= 500
