"""A webhook: the notice as JSON, signed as the registry's webhooks are."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from everloop.extensions import alert_channels
from everloop.monitor.alerting.channels._base import Channel, Surroundings
from everloop.monitor.alerting.notice import Notice
from everloop.registry.webhooks.records import Outcome
from everloop.registry.webhooks.sending import send


@alert_channels.register("webhook")
class Webhook(Channel, frozen=True):
    """Posts to ``url``; with a ``secret`` the header X-MLflow-Signature holds an HMAC-SHA256.

    Receivers check it as they do those of ``everloop webhooks``. Hosts must be public and speak
    HTTPS unless the setting ``webhook_hosts`` names them.
    """

    url: str
    secret: str = ""
    secrets: ClassVar = ("secret",)

    def send(self, notice: Notice, delivery: str, around: Surroundings) -> Outcome:
        body = {"title": notice.title, **msgspec.to_builtins(notice)}
        secret = around.value(self.secret) if self.secret else None
        payload = msgspec.json.encode(body).decode()
        return send(around.value(self.url), delivery, payload, secret, around.hosts)
