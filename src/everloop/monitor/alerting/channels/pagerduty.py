"""A PagerDuty-compatible event (Events API v2, https://developer.pagerduty.com/docs/events-api-v2).

A group has one ``dedup_key``: what is told of it again updates the incident, its end resolves it.
So does a cycle: one that waits, or ended badly, is an incident, any other end resolves it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from everloop.extensions import alert_channels
from everloop.monitor.alerting.channels._base import Channel, Surroundings
from everloop.monitor.alerting.notice import Notice
from everloop.registry.webhooks.records import Outcome
from everloop.registry.webhooks.sending import post

LONGEST = 1024  # characters of a summary


@alert_channels.register("pagerduty")
class PagerDuty(Channel, frozen=True):
    """Sends to ``url`` with the routing ``key`` of a service's integration."""

    key: str
    url: str = "https://events.pagerduty.com/v2/enqueue"
    secrets: ClassVar = ("key",)

    def send(self, notice: Notice, delivery: str, around: Surroundings) -> Outcome:
        good = notice.state == "verdict" and notice.severity == "info"
        over = good or notice.state == "resolved"
        event: dict[str, Any] = {
            "routing_key": around.value(self.key),
            "event_action": "resolve" if over else "trigger",
            "dedup_key": f"everloop-{notice.key}",
            "client": "everloop",
        }
        if not over:
            event["payload"] = {
                "summary": notice.title[:LONGEST],
                "source": notice.endpoint,
                "severity": "info" if notice.state == "test" else notice.severity,
                "timestamp": datetime.fromtimestamp(notice.at / 1000, UTC).isoformat(),
                "component": notice.endpoint,
                "group": notice.rule,
                "class": ", ".join(sorted({item.kind for item in notice.items})) or notice.state,
                "custom_details": {
                    "delivery": delivery,
                    "alerts": msgspec.to_builtins(notice.items),
                    "cycle": msgspec.to_builtins(notice.ended),
                },
            }
        payload = msgspec.json.encode(event).decode()
        return post(around.value(self.url), payload, {}, around.hosts)
